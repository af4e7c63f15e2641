import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ROUTES } from "./contract/routes.ts";
import { type ApiDocument, docsPage } from "./docs-page.ts";
import { described } from "./described.ts";
import type { ApiWorld } from "./world.ts";

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

// Its styles stand in the page itself. The dashboard shows it in a frame.
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  "x-frame-options": "SAMEORIGIN",
};

/** Each address of the contract, answered by what the world says. */
export function addRoutes(app: App, world: ApiWorld): void {
  const {
    databases,
    overview,
    days,
    backups,
    series,
    backup,
    diff,
    runs,
    findings,
    checklist,
    runbook,
    repositories,
    channels,
    strategy,
    recoveries,
    scenarios,
  } = ROUTES;
  app.get(databases.path, described(databases), async ({ signal }) => await world.status(signal));
  app.get(overview.path, described(overview), async ({ signal }) => await world.overview(signal));
  app.get(days.path, described(days), async ({ query, signal }) => await world.days(query, signal));
  app.get(
    backups.path,
    described(backups),
    async ({ params, query, signal }) => await world.backups(params.name, query, signal),
  );
  app.get(
    series.path,
    described(series),
    async ({ params, query, signal }) => await world.series(params.name, query.days, signal),
  );
  app.get(
    backup.path,
    described(backup),
    async ({ params, signal }) => await world.backup(params.database, params.id, signal),
  );
  app.get(
    diff.path,
    described(diff),
    async ({ params, query, signal }) => await world.diff(params.name, query, signal),
  );
  app.get(runs.path, described(runs), async ({ query, signal }) => await world.runs(query, signal));
  app.get(findings.path, described(findings), async ({ signal }) => await world.findings(signal));
  app.get(checklist.path, described(checklist), async ({ signal }) => await world.checklist(signal));
  app.get(runbook.path, described(runbook), async ({ query, signal }, reply) => {
    const page = await world.runbook(query.format, signal);
    if (query.format === "html") reply.headers(PAGE_HEADERS);
    return reply
      .type(query.format === "html" ? "text/html; charset=utf-8" : "text/markdown; charset=utf-8")
      .send(page);
  });
  app.get(channels.path, described(channels), async ({ signal }) => await world.channels(signal));
  app.get(strategy.path, described(strategy), async ({ signal }) => await world.strategy(signal));
  app.get(repositories.path, described(repositories), async ({ signal }) => await world.repositories(signal));
  app.get(
    recoveries.path,
    described(recoveries),
    async ({ query, signal }) => await world.recoveries(query, signal),
  );
  app.get(scenarios.path, described(scenarios), async ({ signal }) => await world.scenarios(signal));
  app.get("/api/openapi.json", { config: { role: "public" }, schema: { hide: true } }, () => app.swagger());
  app.get("/api/docs", { config: { role: "public" }, schema: { hide: true } }, (_, reply) =>
    reply
      .headers(PAGE_HEADERS)
      .type("text/html; charset=utf-8")
      .send(docsPage(app.swagger() as ApiDocument)),
  );
}
