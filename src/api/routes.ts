import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ErrorJson } from "../json/common.ts";
import { ROUTES } from "./contract/routes.ts";
import type { ApiWorld } from "./world.ts";

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export const FAILURES = { "4xx": ErrorJson, "5xx": ErrorJson };
// Its styles stand in the page itself. The dashboard shows it in a frame.
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/** Each address of the contract, answered by what the world says. */
export function addRoutes(app: App, world: ApiWorld): void {
  const {
    databases,
    overview,
    backups,
    series,
    backup,
    runs,
    findings,
    checklist,
    runbook,
    repositories,
    channels,
    strategy,
    recoveries,
  } = ROUTES;
  app.get(databases.path, answering(databases), async ({ signal }) => await world.status(signal));
  app.get(
    overview.path,
    { config: { role: overview.role }, schema: answering(overview).schema },
    async ({ signal }) => await world.overview(signal),
  );
  app.get(
    backups.path,
    { config: { role: backups.role }, schema: { ...answering(backups).schema, params: backups.params } },
    async ({ params, signal }) => await world.backups(params.name, signal),
  );
  app.get(
    series.path,
    {
      config: { role: series.role },
      schema: { ...answering(series).schema, params: series.params, querystring: series.query },
    },
    async ({ params, query, signal }) => await world.series(params.name, query.days, signal),
  );
  app.get(
    backup.path,
    { config: { role: backup.role }, schema: { ...answering(backup).schema, params: backup.params } },
    async ({ params, signal }) => await world.backup(params.database, params.id, signal),
  );
  app.get(
    runs.path,
    { config: { role: runs.role }, schema: { ...answering(runs).schema, querystring: runs.query } },
    async ({ query, signal }) => await world.runs(query, signal),
  );
  app.get(findings.path, answering(findings), async ({ signal }) => await world.findings(signal));
  app.get(checklist.path, answering(checklist), async ({ signal }) => await world.checklist(signal));
  app.get(
    runbook.path,
    {
      config: { role: runbook.role },
      schema: { summary: runbook.summary, querystring: runbook.query, response: RUNBOOK_RESPONSE },
    },
    async ({ query, signal }, reply) => {
      const page = await world.runbook(query.format, signal);
      if (query.format === "html")
        reply.headers({ "content-security-policy": PAGE_POLICY, "x-frame-options": "SAMEORIGIN" });
      return reply
        .type(query.format === "html" ? "text/html; charset=utf-8" : "text/markdown; charset=utf-8")
        .send(page);
    },
  );
  app.get(channels.path, answering(channels), async ({ signal }) => await world.channels(signal));
  app.get(strategy.path, answering(strategy), async ({ signal }) => await world.strategy(signal));
  app.get(repositories.path, answering(repositories), async ({ signal }) => await world.repositories(signal));
  app.get(
    recoveries.path,
    {
      config: { role: recoveries.role },
      schema: { ...answering(recoveries).schema, querystring: recoveries.query },
    },
    async ({ query, signal }) => await world.recoveries(query, signal),
  );
  app.get("/api/openapi.json", { config: { role: "public" }, schema: { hide: true } }, () => app.swagger());
}

const RUNBOOK_RESPONSE = {
  200: {
    description: ROUTES.runbook.summary,
    content: {
      "text/html": { schema: ROUTES.runbook.answer },
      "text/markdown": { schema: ROUTES.runbook.answer },
    },
  },
  ...FAILURES,
};

export function answering<Answer, Role>({
  summary,
  answer,
  role,
}: {
  readonly summary: string;
  readonly answer: Answer;
  readonly role: Role;
}) {
  return { config: { role }, schema: { summary, response: { 200: answer, ...FAILURES } } };
}
