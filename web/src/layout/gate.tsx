import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, type ReactElement } from "react";
import { Refused } from "../api/request.ts";
import { sessionQuery } from "../api/session.ts";
import { Answered, Loading } from "../parts/states.tsx";
import { Shell } from "./shell.tsx";

const SignIn = lazy(async () => ({ default: (await import("../pages/sign-in/sign-in.tsx")).SignIn }));

/** The dashboard for those who have signed in, and the door for all others. */
export function Gate(): ReactElement {
  const query = useQuery(sessionQuery());
  const client = useQueryClient();
  useEffect(() => {
    // A session that is over shows in whatever is asked for, or asked to be done, next.
    const look = (error: Error | null | undefined): void => {
      if (error instanceof Refused && error.status === 401) void client.invalidateQueries(sessionQuery());
    };
    const forget = [
      client.getQueryCache().subscribe(({ query: asked }) => look(asked.state.error)),
      client.getMutationCache().subscribe(({ mutation }) => look(mutation?.state.error)),
    ];
    return () => {
      for (const each of forget) each();
    };
  }, [client]);
  return (
    <Answered query={query}>
      {(session) =>
        session.user === null ? (
          <Suspense fallback={<Loading />}>
            <SignIn session={session} />
          </Suspense>
        ) : (
          <Shell user={session.user} />
        )
      }
    </Answered>
  );
}
