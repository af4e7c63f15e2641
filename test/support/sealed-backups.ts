import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { type CliResult, jsonOf, runCli } from "./cli.ts";
import { identityIn, type TestIdentity } from "./keys.ts";
import { freshDatabase, type FreshDatabase, temporaryFolder } from "./postgres.ts";

/** A host that has the recipient alone, an owner who has the identity, and a database. */
export class Sealed implements AsyncDisposable {
  readonly live: FreshDatabase;
  readonly repository: string;
  readonly owner: TestIdentity;
  readonly home: string;
  readonly #owned: AsyncDisposableStack;

  constructor(live: FreshDatabase, folder: string, owned: AsyncDisposableStack) {
    this.live = live;
    this.repository = join(folder, "repository");
    this.home = join(folder, "home");
    this.owner = identityIn(folder);
    this.#owned = owned;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  /** What the backup host types. */
  async host(command: string, args: readonly string[] = [], home = this.home): Promise<CliResult> {
    const place = ["--url", this.live.url, "--repository", this.repository];
    const recipient = command === "backup" ? ["--recipient", this.owner.recipient] : [];
    const env = { HOME: home, XDG_CONFIG_HOME: "", HANDLED_IDENTITY: "" };
    return await runCli([command, ...args, ...place, ...recipient], { env });
  }

  /** The same with the identity. */
  async person(command: string, args: readonly string[] = [], home = "/nonexistent"): Promise<CliResult> {
    return await this.host(command, [...args, "--identity", this.owner.file], home);
  }

  async backup(args: readonly string[]): Promise<Record<string, unknown>> {
    const result = await this.host("backup", ["--json", ...args]);
    expect(result.code, result.stderr).toBe(0);
    return jsonOf(result);
  }

  async files(): Promise<string[]> {
    const all = await readdir(this.repository, { recursive: true, withFileTypes: true });
    return all.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  }

  get hostKey(): string {
    return join(this.home, ".config/handled/host.key");
  }
}

export async function sealedBackups(sql: string): Promise<Sealed> {
  const owned = new AsyncDisposableStack();
  const live = owned.use(await freshDatabase({ sql }));
  const folder = owned.use(await temporaryFolder());
  return new Sealed(live, folder.path, owned);
}
