import { z } from "zod";
import type { Role } from "../../access/roles.ts";
import {
  JobDetailsJson,
  JobJson,
  JobRequest,
  JobsJson,
  LastEvent,
  OneJob,
  PlanJson,
  PlanRequest,
  StrategyText,
  StrategyVerdictJson,
  WhichJobs,
} from "./jobs.ts";

/** The addresses that do something, and what becomes of it. `role` is the least that whoever asks has to be. */
export const JOB_ROUTES = {
  startJob: {
    method: "POST",
    path: "/api/jobs",
    role: "operator",
    summary: "Starts a job: the same command as at a terminal, in a process of its own",
    body: JobRequest,
    status: 201,
    answer: JobJson,
  },
  jobs: {
    method: "GET",
    path: "/api/jobs",
    role: "viewer",
    summary: "What was asked for, newest first",
    query: WhichJobs,
    status: 200,
    answer: JobsJson,
  },
  job: {
    method: "GET",
    path: "/api/jobs/:id",
    role: "viewer",
    summary: "How a job is, and what it printed",
    params: OneJob,
    status: 200,
    answer: JobDetailsJson,
  },
  jobEvents: {
    method: "GET",
    path: "/api/jobs/:id/events",
    role: "viewer",
    summary: "What a job says, while it says it (server-sent events); `Last-Event-ID` goes on after an event",
    params: OneJob,
    headers: LastEvent,
    status: 200,
    types: ["text/event-stream"],
    answer: z.string().describe("`data` of each event is a job event"),
  },
  plan: {
    method: "POST",
    path: "/api/plans",
    role: "operator",
    summary: "What something would do, and how long it may take; nothing is changed",
    body: PlanRequest,
    status: 200,
    answer: PlanJson,
  },
  validate: {
    method: "POST",
    path: "/api/strategy/validate",
    role: "admin",
    summary: "Whether a strategy could be in force, and what is wrong with it where not; nothing is changed",
    body: StrategyText,
    status: 200,
    answer: StrategyVerdictJson,
  },
  cancelJob: {
    method: "DELETE",
    path: "/api/jobs/:id",
    role: "operator",
    summary: "Stops a job; it tidies up, and may take a while",
    params: OneJob,
    status: 202,
    answer: JobJson,
  },
} as const;

/** Who may have what done: an operator proves and saves; whatever changes or deletes data is an admin's. */
export const ROLE_OF_KIND = {
  backup: "operator",
  verify: "operator",
  restore: "admin",
  "undo-restore": "admin",
  "missing-rows": "admin",
  "provider-restore": "admin",
  drill: "operator",
  recover: "admin",
  copy: "operator",
  prune: "admin",
  "checklist-done": "operator",
  "notify-test": "operator",
  "drill-note": "operator",
} as const satisfies Record<JobRequest["kind"], Role>;

/** Who may look at what would be done: at a recovery's plan also who may rehearse it. */
export function roleOfPlan(kind: PlanRequest["kind"]): Role {
  return kind === "recover" ? ROLE_OF_KIND.drill : ROLE_OF_KIND[kind];
}
