import { queryOptions, type UseMutationResult, useMutation } from "@tanstack/react-query";
import type { z } from "zod";
import type { PlanJson, PlanRequest } from "../../../src/api/contract/jobs.ts";
import { request } from "./request.ts";

export type Plan = z.infer<typeof PlanJson>;
export type Ask = z.input<typeof PlanRequest>;

/** What something would do, as of now: it is made by the same program as at a terminal, which takes a moment. */
export const planQuery = (ask: Ask, enabled: boolean) =>
  queryOptions({
    queryKey: ["plan", ask],
    queryFn: async ({ signal }) => await request<Plan>("POST", "/api/plans", { body: ask, signal }),
    enabled,
    staleTime: 5 * 60_000,
    retry: false,
  });

/** Asks what something would do; nothing is changed. */
export function usePlan(): UseMutationResult<Plan, Error, Ask> {
  return useMutation({
    mutationFn: async (body: Ask) => await request<Plan>("POST", "/api/plans", { body }),
  });
}
