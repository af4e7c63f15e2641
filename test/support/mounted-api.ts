import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { accessFile } from "../../src/access/access-database.ts";
import { type Access, openAccess } from "../../src/access/access.ts";
import { makeApi } from "../../src/api/api.ts";
import type { JobsWorld } from "../../src/api/jobs-world.ts";
import type { ApiWorld } from "../../src/api/world.ts";
import { Oidc } from "../../src/api/oidc.ts";
import { SetUpSecret } from "../../src/api/set-up.ts";
import type { OidcSettings } from "../../src/config/oidc.ts";
import { startHttpServer } from "../../src/daemon/http-server.ts";
import { makeRuntime } from "../../src/lib/runtime.ts";
import { cliEnvironment } from "./cli.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { temporaryFolder } from "./temporary-folder.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly cookies: readonly string[];
  readonly text: string;
  /** The code of the error that it is; undefined: it is none. */
  readonly code: string | undefined;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Anything but a text is sent as JSON. */
  readonly body?: unknown;
}

/** The API alone on a listener of its own: who may ask is real, and so is HTTP; what it would tell of backups is not there, but what is given. */
export interface MountedApi extends AsyncDisposable {
  readonly url: string;
  readonly clock: ManualClock;
  readonly access: Access;
  /** Where that is kept. */
  readonly file: string;
  readonly setUp: SetUpSecret;
  readonly defects: readonly string[];
  /** Asks for exactly this: `fetch` would tidy it up. */
  ask(path: string, asked?: Asked): Promise<Answer>;
}

export async function mountedApi({
  oidc,
  world: told = {},
  jobs = {},
  redact = (said) => said,
  url: publicUrl,
  start = new Date("2026-01-01T12:00:00Z"),
}: {
  readonly oidc?: () => OidcSettings | undefined;
  /** What it tells of backups. */
  readonly world?: Partial<ApiWorld>;
  readonly redact?: (text: string) => string;
  /** What of the jobs is there. */
  readonly jobs?: Partial<JobsWorld>;
  readonly url?: URL;
  readonly start?: Date;
} = {}): Promise<MountedApi> {
  const folder = await temporaryFolder();
  const clock = manualClock(start);
  const runtime = { ...makeRuntime({ env: cliEnvironment({ XDG_STATE_HOME: folder.path }) }), clock };
  const access = await openAccess(runtime, join(folder.path, "handled.yaml"));
  const setUp = new SetUpSecret();
  const defects: string[] = [];
  const never = async (): Promise<never> => await Promise.reject(new Error("not there"));
  // Every read that there is, and will be.
  const rest: ProxyHandler<object> = { get: (some, name) => Reflect.get(some, name) ?? never };
  const api = await makeApi(new Proxy(told, rest) as ApiWorld, new Proxy(jobs, rest) as JobsWorld, {
    access,
    setUp,
    clock,
    oidc: new Oidc(clock, oidc ?? (() => undefined), ({ clientSecret }) => clientSecret.text),
    names: () => ({ url: publicUrl }),
    redact,
    onDefect: (path, error) => void defects.push(`${path}: ${String(error)}`),
  });
  const server = await startHttpServer({ host: "127.0.0.1", port: 0 }, {}, () => undefined, {
    api: api.handle,
  });
  const { hostname, port } = new URL(server.url);
  return {
    url: server.url,
    clock,
    access,
    file: accessFile(runtime, join(folder.path, "handled.yaml")),
    setUp,
    defects,
    ask: async (path, { method = "GET", headers = {}, body } = {}) => {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const sent = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
      const length = String(Buffer.byteLength(sent ?? ""));
      // Node sends none by itself for a DELETE.
      const own = { "content-type": "application/json", "content-length": length };
      const all = { ...(sent === undefined ? {} : own), ...headers };
      const asked = request({ hostname, port, path, method, headers: all, agent: false }, (answer) => {
        text(answer).then((said) => {
          const code = /^\{"error":\{"code":"(\w+)"/.exec(said)?.[1];
          const cookies = answer.headers["set-cookie"] ?? [];
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, cookies, text: said, code });
        }, reject);
      });
      asked.once("error", reject);
      asked.end(sent);
      return await promise;
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
      access[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
