import { PasswordInput } from "@mantine/core";
import type { ReactElement } from "react";

// As the daemon wants it.
const SHORTEST = 12;

/** Whether something was typed that is too short for a password. */
export function isTooShort(password: string): boolean {
  return password !== "" && password.length < SHORTEST;
}

/** Asks for a password that is to be, and says how much of it is missing. */
export function NewPasswordInput({
  label,
  value,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (password: string) => void;
}): ReactElement {
  return (
    <PasswordInput
      label={label}
      description={`${SHORTEST} characters at least; a few words in a row are easy to type`}
      autoComplete="new-password"
      required
      error={isTooShort(value) ? `${SHORTEST - value.length} more` : undefined}
      value={value}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    />
  );
}
