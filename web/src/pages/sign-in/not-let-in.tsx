import { Alert, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { Navigate, useSearchParams } from "react-router";
import { sessionQuery } from "../../api/session.ts";
import { PageTitle } from "../../parts/page-title.tsx";

/** What each code of a refusal means to whoever stands before the door. */
const REASONS: Readonly<Record<string, (service: string) => string>> = {
  sign_in_failed: (service) =>
    `${service} did not show who you are, or it took too long. Begin again; the audit log says what exactly went wrong.`,
  not_allowed: (service) =>
    `${service} knows you, but you may not come in here. An admin can add you, or give you a role there.`,
  too_many_tries: () =>
    "It failed too often in a row. Wait a while, up to a quarter of an hour, and begin again.",
  page_missing: () => "There is no other service to sign in with any more. Sign in with a password.",
  usage: (service) => `The name by which ${service} knows you cannot be that of a user here.`,
  user_exists: () => "There is a user of your name already who is somebody else.",
  last_admin: (service) =>
    `By what ${service} says you are no longer admin, but nobody else here is. Somebody else has to be made admin first.`,
};

/** Says why somebody who came back from another service was not let in. @param code from the address: it is shown nowhere */
export function NotLetIn({
  code,
  service,
}: {
  readonly code: string | null;
  readonly service: string | null;
}): ReactElement | null {
  if (code === null) return null;
  const reason = Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  return (
    <Alert color="red" title="You were not let in" role="alert">
      <Text size="sm">
        {reason?.(service ?? "The other service") ??
          "Something went wrong. Begin again; the daemon's log says more."}
      </Text>
    </Alert>
  );
}

/** Where a refusal leads whoever is signed in all the same. */
export function SignedInAlready(): ReactElement {
  const [given] = useSearchParams();
  const { data } = useQuery(sessionQuery());
  const code = given.get("refused");
  if (code === null) return <Navigate to="/" replace />;
  return (
    <>
      <PageTitle title="Sign in" />
      <NotLetIn code={code} service={data?.oidc ?? null} />
    </>
  );
}
