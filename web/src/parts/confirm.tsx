import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { sessionQuery } from "../api/session.ts";

export interface Confirmation {
  readonly name: string;
  readonly password?: string;
}

/** Makes sure that something dangerous is meant, and by whom. @param needed otherwise a click does */
export function Confirm({
  name,
  label,
  needed,
  pending,
  onConfirm,
}: {
  readonly name: string;
  readonly label: string;
  readonly needed: boolean;
  readonly pending: boolean;
  readonly onConfirm: (confirmation: Confirmation | undefined) => void;
}): ReactElement {
  const [typed, setTyped] = useState("");
  const [password, setPassword] = useState("");
  const { data } = useQuery(sessionQuery());
  // Who signs in elsewhere has no password here; the daemon asks when that was.
  const hasPassword = data?.user?.how === "password";
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onConfirm(needed ? { name: typed, ...(hasPassword ? { password } : {}) } : undefined);
      }}
    >
      <Stack align="flex-start">
        {needed ? (
          <>
            <TextInput
              label={`Type ${name} to go on`}
              autoComplete="off"
              value={typed}
              onChange={({ currentTarget }) => setTyped(currentTarget.value)}
            />
            {hasPassword ? (
              <PasswordInput
                label="Your password, again"
                autoComplete="current-password"
                miw={260}
                value={password}
                onChange={({ currentTarget }) => setPassword(currentTarget.value)}
              />
            ) : null}
          </>
        ) : null}
        <Button
          type="submit"
          color={needed ? "red" : "teal"}
          loading={pending}
          disabled={needed && (typed !== name || (hasPassword && password === ""))}
        >
          {label}
        </Button>
      </Stack>
    </form>
  );
}
