import { Alert, Button, Center, Code, Loader, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import { useEffect, useState, type ReactElement, type ReactNode } from "react";
import { useRouteError } from "react-router";
import { Refused, Unreachable } from "../api/request.ts";
import { SignInAgain } from "./sign-in-again.tsx";

/** Shown while something is fetched; not at once, so that what comes quickly does not flicker. */
export function Loading(): ReactElement | null {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 250);
    return () => clearTimeout(timer);
  }, []);
  return (
    <Center mih={240} role="status" aria-label="Loading">
      {late ? <Loader /> : null}
    </Center>
  );
}

/** What went wrong, and what to do. @param again what asks for it again, where it was to be shown and not done */
export function Failed({
  error,
  again,
}: {
  readonly error: Error;
  readonly again?: () => void;
}): ReactElement {
  const nobody = error instanceof Unreachable;
  return (
    <Alert
      color="red"
      icon={<IconAlertTriangle aria-hidden />}
      title={
        nobody ? "The daemon does not answer" : `This could not be ${again === undefined ? "done" : "shown"}`
      }
      role="alert"
    >
      <Stack gap="xs" align="flex-start">
        <Text size="sm" className="wrap">
          {nobody
            ? "Whether it runs, `systemctl --user status handled` or the terminal of `handled serve` says."
            : error.message}
        </Text>
        {error instanceof Refused && error.hint !== undefined ? (
          <Text size="sm" className="wrap">
            {error.hint}
          </Text>
        ) : null}
        {error instanceof Refused ? <Code>{error.code}</Code> : null}
        {error instanceof Refused && error.code === "not_confirmed" ? <SignInAgain /> : null}
        {again === undefined ? null : (
          <Button size="xs" variant="default" onClick={again}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** That there is nothing, why, and what brings something. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ReactNode;
}): ReactElement {
  return (
    <Center mih={160}>
      <Stack gap={4} align="center" maw={460} ta="center">
        <Title order={3} size="h4">
          {title}
        </Title>
        <Text size="sm" className="quiet" component="div">
          {children}
        </Text>
      </Stack>
    </Center>
  );
}

/** What was answered, or that it is on its way, or why it is not. What was there stays while it is asked for again. */
export function Answered<Data>({
  query,
  children,
}: {
  readonly query: UseQueryResult<Data>;
  readonly children: (data: Data) => ReactNode;
}): ReactNode {
  if (query.data !== undefined) return children(query.data);
  if (query.error !== null) return <Failed error={query.error} again={() => void query.refetch()} />;
  return <Loading />;
}

/** A page that broke, or could not be loaded. */
export function Broken(): ReactElement {
  const error = useRouteError();
  return (
    <Stack p="xl" maw={640} mx="auto">
      <Failed
        error={error instanceof Error ? error : new Error(String(error))}
        again={() => window.location.reload()}
      />
    </Stack>
  );
}
