import { type UseMutationResult, useMutation } from "@tanstack/react-query";
import type { z } from "zod";
import type { PlanJson, PlanRequest } from "../../../src/api/contract/jobs.ts";
import { request } from "./request.ts";

export type Plan = z.infer<typeof PlanJson>;
export type Ask = z.input<typeof PlanRequest>;

/** Asks what something would do; nothing is changed. */
export function usePlan(): UseMutationResult<Plan, Error, Ask> {
  return useMutation({
    mutationFn: async (body: Ask) => await request<Plan>("POST", "/api/plans", { body }),
  });
}
