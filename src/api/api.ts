import swagger from "@fastify/swagger";
import { fastify, type FastifyReply, type FastifyRequest } from "fastify";
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { RequestListener } from "node:http";
import { AppError, ERRORS } from "../errors.ts";
import { VERSION } from "../lib/program.ts";
import { redactIn } from "../lib/redact-in.ts";
import type { Access } from "../access/access.ts";
import { Pace } from "../access/pace.ts";
import { Throttle } from "../access/throttle.ts";
import { isLoopback } from "../config/http-address.ts";
import type { Clock } from "../lib/clock.ts";
import { addAccessRoutes } from "./access-routes.ts";
import { callerOf, identify, requireRole } from "./caller.ts";
import { confirmWith } from "./confirm.ts";
import { errorBody, failureOf } from "./failure.ts";
import { type Names, refusalOf, setSecurityHeaders } from "./guard.ts";
import type { Oidc } from "./oidc.ts";
import { addOidcRoutes } from "./oidc-routes.ts";
import { addRoutes } from "./routes.ts";
import { addJobRoutes } from "./job-routes.ts";
import type { JobsWorld } from "./jobs-world.ts";
import type { SetUpSecret } from "./set-up.ts";
import type { ApiWorld } from "./world.ts";

export interface ApiOptions {
  /** Who may ask, and what they did. */
  readonly access: Access;
  readonly setUp: SetUpSecret;
  readonly oidc: Oidc;
  readonly clock: Clock;
  readonly names: () => Names;
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string;
  /** Hears of defects; whoever asked only hears that there is one. */
  readonly onDefect: (path: string, error: unknown) => void;
}

/** The HTTP API, to be mounted on a listener at `/api`. */
export interface Api extends AsyncDisposable {
  readonly handle: RequestListener;
}

// Nothing that is sent to it is larger.
const BODY_LIMIT = 64 * 1024;
// Whoever mends a channel tries it a few times.
const TESTS = 5;
const TESTS_WITHIN_MS = 60_000;

export async function makeApi(
  world: ApiWorld,
  jobs: JobsWorld,
  { access, setUp, oidc, clock, names, redact, onDefect }: ApiOptions,
): Promise<Api> {
  const throttle = new Throttle(clock);
  const testPace = new Pace(clock, TESTS, TESTS_WITHIN_MS);
  const confirm = confirmWith(access, throttle, clock);
  const clean = (value: unknown): unknown => redactIn(value, redact);
  const answerFailure = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    let known = failureOf(error, request);
    if (known === undefined || known.code === "unexpected") {
      onDefect(request.url, error);
      known = new AppError("unexpected", "this cannot be answered", {
        hint: "what `handled serve` prints says why",
      });
    }
    return reply.status(ERRORS[known.code].http).send(errorBody(known));
  };
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    // Whatever stands in front of us stands on this machine, and is named.
    trustProxy: (address) => names().url !== undefined && isLoopback(address),
    frameworkErrors: (error, request, reply) => void answerFailure(error, request, reply),
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answerFailure);
  app.setNotFoundHandler((request, reply) =>
    answerFailure(
      new AppError(
        "page_missing",
        `${request.method} ${request.url.split("?", 1)[0]}: there is no such page`,
        {
          hint: "`/api/openapi.json` lists all that there are",
        },
      ),
      request,
      reply,
    ),
  );
  // What forms send is not read, so that none on another site reaches us.
  app.removeContentTypeParser("text/plain");
  app.decorateRequest("caller", null);
  // Before anything of the body is read.
  app.addHook("onRequest", async (request) => {
    request.caller = identify(request, access);
    const { config, url = "" } = request.routeOptions;
    const asked = `${request.method} ${url}`;
    // Who may not look need not know what there is.
    if (request.is404) callerOf(request);
    else if (config.role === undefined) throw new Error(`${asked} has no role`);
    else if (config.role !== "public") requireRole(request, config.role, asked);
    await Promise.resolve();
  });
  app.addHook("preSerialization", async (_request, _reply, payload) => await Promise.resolve(clean(payload)));
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Handled", version: VERSION, description: "What the commands show, for programs." },
    },
    transform: jsonSchemaTransform,
  });
  app.after(() => {
    addRoutes(app, world);
    addJobRoutes(app, { jobs, confirm, audit: access.audit, testPace }, clean);
    addAccessRoutes(app, {
      access,
      throttle,
      confirm,
      setUp,
      isSecure: () => names().url?.protocol === "https:",
      oidc: () => oidc.name,
    });
    addOidcRoutes(app, { access, oidc, throttle, url: () => names().url });
  });
  await app.ready();
  return {
    handle: (request, response) => {
      setSecurityHeaders(response);
      const refusal = refusalOf(request, names());
      if (refusal === undefined) {
        app.routing(request, response);
        return;
      }
      // Whatever else it has to say is not listened to.
      response.setHeader("connection", "close");
      response.setHeader("content-type", "application/json; charset=utf-8");
      response.statusCode = ERRORS[refusal.code].http;
      response.end(JSON.stringify(errorBody(refusal)));
    },
    [Symbol.asyncDispose]: async () => await app.close(),
  };
}
