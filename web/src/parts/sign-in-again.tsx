import { Button, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { sessionQuery } from "../api/session.ts";

/**
 * The way on where what was confirmed is not believed, for who signs in elsewhere: another window, so that what was chosen here stays. Nothing
 * for who has a password here.
 */
export function SignInAgain(): ReactElement | null {
  const { data } = useQuery(sessionQuery());
  if (data?.user?.how !== "oidc" || data.oidc === null) return null;
  return (
    <Stack gap="xs" align="flex-start">
      <Button
        component="a"
        size="xs"
        href="/api/oidc/start?again=true"
        target="_blank"
        rel="noopener"
        aria-describedby="sign-in-again"
      >
        Sign in with {data.oidc} again
      </Button>
      <Text size="sm" id="sign-in-again">
        It opens in another window. Then come back to this one, and confirm it once more.
      </Text>
    </Stack>
  );
}
