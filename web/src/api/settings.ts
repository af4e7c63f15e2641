import {
  infiniteQueryOptions,
  queryOptions,
  type UseMutationResult,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import type { z } from "zod";
import type { ACCESS_ROUTES, MadeTokenJson } from "../../../src/api/contract/access.ts";
import type { StrategyVerdictJson } from "../../../src/api/contract/jobs.ts";
import type { Answer } from "./queries.ts";
import { request } from "./request.ts";

type Of<Name extends keyof typeof ACCESS_ROUTES> = z.infer<(typeof ACCESS_ROUTES)[Name]["answer"]>;
export type User = Of<"users">["users"][number];
export type Token = Of<"tokens">["tokens"][number];
export type Entry = Of<"audit">["entries"][number];
export type Channel = Answer<"channels">["channels"][number];
export type MadeToken = z.infer<typeof MadeTokenJson>;
export type Verdict = z.infer<typeof StrategyVerdictJson>;

function get<Data>(key: string, path: string) {
  return queryOptions({
    queryKey: [key],
    queryFn: async ({ signal }) => await request<Data>("GET", path, { signal }),
  });
}

export const usersQuery = () => get<Of<"users">>("users", "/api/users");
export const tokensQuery = () => get<Of<"tokens">>("tokens", "/api/tokens");
export const channelsQuery = () => get<Answer<"channels">>("channels", "/api/channels");
export const strategyQuery = () => get<Answer<"strategy">>("strategy", "/api/strategy");
export const auditCheckQuery = () => get<Of<"auditCheck">>("audit check", "/api/audit/check");

const PAGE = 50;

/** The audit log, newest first, a page at a time. @param like parts of names; empty: all */
export const auditQuery = (like: { readonly who: string; readonly what: string }) =>
  infiniteQueryOptions({
    queryKey: ["audit", like],
    queryFn: async ({ pageParam, signal }) => {
      const given = { ...like, last: String(PAGE), before: pageParam === null ? "" : String(pageParam) };
      const asked = Object.entries(given).filter(([, value]) => value !== "");
      return await request<Of<"audit">>("GET", `/api/audit?${new URLSearchParams(asked)}`, { signal });
    },
    initialPageParam: null as number | null,
    getNextPageParam: ({ entries, more }) => (more ? entries.at(-1)?.seq : undefined),
  });

/**
 * Changes something of the settings.
 * @param keys of what is asked for again afterwards
 */
export function useChange<Asked, Done>(
  keys: readonly string[],
  change: (asked: Asked) => Promise<Done>,
): UseMutationResult<Done, Error, Asked> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: () => {
      for (const key of keys) void client.invalidateQueries({ queryKey: [key] });
    },
  });
}
