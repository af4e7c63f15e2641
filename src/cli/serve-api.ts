import type { RequestListener } from "node:http";
import { fileURLToPath } from "node:url";
import { type Access, openAccess } from "../access/access.ts";
import type { Names } from "../api/guard.ts";
import { Oidc } from "../api/oidc.ts";
import { SetUpSecret } from "../api/set-up.ts";
import { resolveTemplate } from "../config/interpolate.ts";
import type { OidcSettings } from "../config/oidc.ts";
import type { Strategy } from "../config/strategy.ts";
import type { DaemonEvent } from "../daemon/daemon.ts";
import type { HttpMounts } from "../daemon/http-server.ts";
import { inOperation } from "../errors.ts";
import type { Jobs } from "../jobs/jobs.ts";
import { packagedFile } from "../lib/program.ts";
import type { Cli } from "./cli.ts";
import type { DaemonLooks } from "./daemon-looks.ts";
import { jobsWorld } from "./jobs-world.ts";
import { SystemKeeper } from "./system-keeper.ts";

/** What the strategy says now of how it is reached, and signed in to. */
export interface ServeNames extends Names {
  readonly oidc: OidcSettings | undefined;
}

/**
 * The API and the dashboard of the daemon. Both are loaded when somebody asks for the first time, for many a daemon is asked for its
 * metrics alone; whether anybody may sign in is known from the beginning.
 */
export class ServeApi implements HttpMounts, AsyncDisposable {
  readonly #cli: Cli;
  readonly #access: Access;
  readonly #jobs: Jobs;
  readonly #looks: DaemonLooks;
  readonly #names: () => ServeNames;
  readonly #tell: (event: DaemonEvent) => void;
  readonly #setUp = new SetUpSecret();
  readonly #keeper: SystemKeeper;
  #loading: Promise<Loaded> | undefined;

  private constructor(
    cli: Cli,
    access: Access,
    jobs: Jobs,
    looks: DaemonLooks,
    names: () => ServeNames,
    tell: (event: DaemonEvent) => void,
  ) {
    this.#cli = cli;
    this.#access = access;
    this.#keeper = new SystemKeeper(cli, access);
    this.#jobs = jobs;
    this.#looks = looks;
    this.#names = names;
    this.#tell = tell;
  }

  /**
   * @param strategyPath absolute
   * @param names under which it may be asked, now
   */
  static async open(
    cli: Cli,
    strategyPath: string,
    jobs: Jobs,
    looks: DaemonLooks,
    names: () => ServeNames,
    tell: (event: DaemonEvent) => void,
  ): Promise<ServeApi> {
    return new ServeApi(cli, await openAccess(cli.runtime, strategyPath), jobs, looks, names, tell);
  }

  /** Brings users and audit log to the repositories. */
  async keepSystem(strategy: Strategy, signal: AbortSignal): Promise<void> {
    await this.#keeper.keep(strategy, signal);
  }

  /** Prints a link to make the first user, where there is none. @param url of the listener */
  inviteFirst(url: string): void {
    if (this.#access.users.list().length > 0) return;
    const base = this.#names().url?.origin ?? url;
    // What follows `#` is sent to nobody, and stands in no log but this one.
    this.#tell({ kind: "set up", url: `${base}/set-up#${this.#setUp.make()}` });
  }

  readonly api = this.#answerBy(({ api }) => api);
  readonly pages = this.#answerBy(({ pages }) => pages);

  async [Symbol.asyncDispose](): Promise<void> {
    // What could not be loaded was told to whoever asked, and leaves nothing to end.
    await (await this.#loading?.catch(() => undefined))?.dispose();
    this.#access[Symbol.dispose]();
  }

  #answerBy(which: (loaded: Loaded) => RequestListener): RequestListener {
    const answer = async (...[request, response]: Parameters<RequestListener>): Promise<void> => {
      try {
        which(await this.#loaded())(request, response);
      } catch (error) {
        this.#tell({ kind: "not answered", error: inOperation("answer a browser", error) });
        if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain; charset=utf-8" });
        response.end("this cannot be answered\n");
      }
    };
    return (request, response) => void answer(request, response);
  }

  async #loaded(): Promise<Loaded> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      // Such as too many open files: whoever asks next may have more luck.
      this.#loading = undefined;
      throw error;
    });
    return await this.#loading;
  }

  async #load(): Promise<Loaded> {
    const { makeApi } = await import("../api/api.ts");
    const { dashboardFrom } = await import("../api/dashboard.ts");
    const { apiWorld } = await import("./api-world.ts");
    const { runtime } = this.#cli;
    const pages = await dashboardFrom(fileURLToPath(packagedFile("dist/web/")));
    // The last: of what fails nothing is left to be ended.
    const api = await makeApi(apiWorld(this.#cli, this.#looks), jobsWorld(this.#cli, this.#jobs), {
      access: this.#access,
      setUp: this.#setUp,
      oidc: new Oidc(
        runtime.clock,
        () => this.#names().oidc,
        ({ clientSecret }) => resolveTemplate(runtime, clientSecret),
      ),
      clock: runtime.clock,
      names: this.#names,
      redact: (text) => runtime.secrets.redact(text),
      onDefect: (path, error) =>
        this.#tell({ kind: "not answered", error: inOperation(`answer ${path}`, error) }),
    });
    return {
      api: api.handle,
      pages: pages ?? notBuilt,
      dispose: async () => await api[Symbol.asyncDispose](),
    };
  }
}

interface Loaded {
  readonly api: RequestListener;
  readonly pages: RequestListener;
  readonly dispose: () => Promise<void>;
}

/** A checkout has no built files at first. */
const notBuilt: RequestListener = (_request, response) => {
  response.writeHead(404, {
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
  });
  response.end("there is no such page; `npm run build` makes the dashboard\n");
};
