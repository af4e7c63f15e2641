import { queryOptions, type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query";
import type { z } from "zod";
import type { SessionJson } from "../../../src/api/contract/access.ts";
import { request } from "./request.ts";

export type Session = z.infer<typeof SessionJson>;

const KEY = ["session"];

export const sessionQuery = () =>
  queryOptions({
    queryKey: KEY,
    queryFn: async ({ signal }) => await request<Session>("GET", "/api/session", { signal }),
    staleTime: 60_000,
  });

/** Signs in, sets up, or signs out: whatever was shown to somebody else is forgotten. */
export function useSession<Body>(
  method: "POST" | "DELETE",
  path: string,
): UseMutationResult<Session, Error, Body> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (body: Body) => await request<Session>(method, path, { body }),
    onSuccess: (session) => {
      client.setQueryData(KEY, session);
      client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== KEY[0] });
    },
  });
}
