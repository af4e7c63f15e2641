import { Group, Title } from "@mantine/core";
import { useEffect, type ReactElement, type ReactNode } from "react";

/** The headline of a page, which is the browser's title, too. @param children what can be done on it */
export function PageTitle({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ReactNode;
}): ReactElement {
  useEffect(() => {
    document.title = `${title} · Handled`;
  }, [title]);
  return (
    <Group justify="space-between" mb="md" gap="sm">
      <Title order={1} size="h2" className="wrap">
        {title}
      </Title>
      <Group gap="xs">{children}</Group>
    </Group>
  );
}
