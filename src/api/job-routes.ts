import { once } from "node:events";
import type { FastifyReply } from "fastify";
import type { Audit } from "../access/audit.ts";
import type { Pace } from "../access/pace.ts";
import { requireRole, sourceOf } from "./caller.ts";
import type { Confirm } from "./confirm.ts";
import { JOB_ROUTES, ROLE_OF_KIND, roleOfPlan } from "./contract/job-routes.ts";
import type { JobJson, JobRequest } from "./contract/jobs.ts";
import type { JobsWorld } from "./jobs-world.ts";
import { described } from "./described.ts";
import { mayMakeCluster } from "./contract/may-cost.ts";
import { shownOptions } from "./shown-options.ts";
import type { App } from "./routes.ts";

// So often something is sent, for whoever is between takes a connection that says nothing for dead.
const ALIVE_MS = 15_000;

export interface JobParts {
  readonly jobs: JobsWorld;
  readonly confirm: Confirm;
  readonly audit: Audit;
  /** How often somebody else's server is sent a test. */
  readonly testPace: Pace;
}

/** The addresses by which jobs are started, looked at and stopped. */
export function addJobRoutes(
  app: App,
  { jobs, confirm, audit, testPace }: JobParts,
  clean: (value: unknown) => unknown,
): void {
  const { startJob, jobs: all, job, jobEvents, cancelJob, plan, validate } = JOB_ROUTES;
  app.post(startJob.path, described(startJob), async (request, reply) => {
    const { body } = request;
    const { name } = requireRole(request, ROLE_OF_KIND[body.kind], body.kind);
    if (isDangerous(body)) await confirm(request, body.confirm, body.database);
    if (body.kind === "notify-test") testPace.take(`test ${body.options.channel}`);
    const subject = `${"database" in body ? `${body.database} ` : ""}${JSON.stringify(shownOptions(body))}`;
    audit.append({ who: name, what: body.kind, subject, source: sourceOf(request) });
    return reply.status(201).send(await jobs.start(request.body, name));
  });
  app.post(plan.path, described(plan), async (request, reply) => {
    requireRole(request, roleOfPlan(request.body.kind), `plan ${request.body.kind}`);
    // A request that was read is over; whether somebody waits for the answer, only that tells.
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    return await jobs.plan(request.body, gone.signal);
  });
  app.post(validate.path, described(validate), async ({ body }) => await jobs.validate(body.text));
  app.get(all.path, described(all), async ({ query }) => await jobs.list(query));
  app.get(job.path, described(job), async ({ params }) => await jobs.show(params.id));
  app.delete(cancelJob.path, described(cancelJob), async (request, reply) => {
    const { id, kind, database } = await jobs.show(request.params.id);
    const { name } = requireRole(request, ROLE_OF_KIND[kind], `stop ${kind}`);
    const subject = `${kind} ${database ?? ""}: job ${id}`;
    audit.append({ who: name, what: "job stopped", subject, source: sourceOf(request) });
    return reply.status(202).send(await jobs.cancel(request.params.id, name));
  });
  app.get(jobEvents.path, described(jobEvents), async ({ params, headers }, reply) => {
    const { state } = await jobs.show(params.id);
    await sendEvents(reply, state, clean, (signal) =>
      jobs.events(params.id, headers["last-event-id"] ?? -1, signal),
    );
  });
}

type Dangerous = Extract<JobRequest, { readonly confirm?: unknown }>;

/** What replaces, or writes to, something of production, or costs money. */
function isDangerous(request: JobRequest): request is Dangerous {
  if (request.kind === "restore") return request.options.to === "swap";
  return request.kind === "drill" ? mayMakeCluster(request.options) : DANGEROUS.has(request.kind);
}

const DANGEROUS: ReadonlySet<JobRequest["kind"]> = new Set([
  "undo-restore",
  "missing-rows",
  "provider-restore",
  "recover",
] satisfies Dangerous["kind"][]);

/**
 * Server-sent events (HTML Living Standard, 9.2). Ends when nothing comes any more, or whoever listens has gone. 204 tells an `EventSource`
 * that has heard everything not to ask again.
 */
async function sendEvents(
  reply: FastifyReply,
  state: JobJson["state"],
  clean: (value: unknown) => unknown,
  open: (signal: AbortSignal) => AsyncIterable<{ readonly seq: number }>,
): Promise<void> {
  const { raw } = reply;
  const gone = new AbortController();
  raw.once("close", () => gone.abort());
  const events = open(gone.signal)[Symbol.asyncIterator]();
  let next = events.next();
  const first = state === "running" ? undefined : await next;
  reply.hijack();
  if (first?.done === true) {
    raw.writeHead(204).end();
    return;
  }
  raw.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" });
  raw.flushHeaders();
  const alive = setInterval(() => raw.write(": still here\n\n"), ALIVE_MS);
  try {
    for (;;) {
      const { done, value } = await next;
      if (done === true) break;
      const data = JSON.stringify(clean(value));
      // Whoever does not listen must not fill our memory.
      if (!raw.write(`id: ${value.seq}\ndata: ${data}\n\n`))
        // Where whoever listens has gone, the loop ends by the same signal.
        await once(raw, "drain", { signal: gone.signal }).catch(() => undefined);
      next = events.next();
    }
  } catch {
    // The headers are sent: it is asked again, and told then.
  } finally {
    clearInterval(alive);
    raw.end();
  }
}
