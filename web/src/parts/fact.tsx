import type { ReactElement, ReactNode } from "react";

/** A name and its value, in a list with `className="facts"`. */
export function Fact({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ReactNode;
}): ReactElement {
  return (
    <div>
      <dt className="quiet">{name}</dt>
      <dd className="wrap">{children}</dd>
    </div>
  );
}
