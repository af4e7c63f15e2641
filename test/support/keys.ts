import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newIdentity } from "../../src/lib/age/keys.ts";
import type { Runtime } from "../../src/lib/runtime.ts";

/** An identity in a file, and its recipient. */
export interface TestIdentity {
  readonly file: string;
  readonly recipient: string;
}

/** A new identity in a file of this folder. */
export function identityIn(folder: string, name = "identity"): TestIdentity {
  const identity = newIdentity();
  const file = join(folder, `${name}.txt`);
  writeFileSync(file, `# public key: ${identity.recipient.text}\n${identity.text}\n`, { mode: 0o600 });
  return { file, recipient: identity.recipient.text };
}

/** Whether HANDLED_TEST_KEYS asks for encrypted repositories where tests otherwise have plain ones. */
export function encrypted(): boolean {
  return process.env["HANDLED_TEST_KEYS"] !== undefined && process.env["HANDLED_TEST_KEYS"] !== "";
}

const shared = encrypted() ? sharedKeys() : undefined;

function sharedKeys(): { readonly env: Readonly<Record<string, string>>; readonly recipient: string } {
  const folder = mkdtempSync(join(tmpdir(), "handled-keys-"));
  const { file, recipient } = identityIn(folder);
  return { env: { HANDLED_IDENTITY: file, XDG_CONFIG_HOME: folder }, recipient };
}

/** With which the program finds the keys of these repositories. */
export function keyEnvironment(): Readonly<Record<string, string>> {
  return shared?.env ?? {};
}

/** A command line that makes a repository makes it an encrypted one. */
export function withRecipient(args: readonly string[]): readonly string[] {
  return shared !== undefined && args[0] === "backup" ? [...args, "--recipient", shared.recipient] : args;
}

/** Has a repository that this runtime makes at a place made an encrypted one, where they are to be. */
export function sealNewRepository(runtime: Runtime, place: string): void {
  if (shared !== undefined) {
    runtime.keys.want(place, { recipients: [shared.recipient], hostKeyFile: undefined });
  }
}

/** Bytes as `age -d` gives them, where these repositories are encrypted. */
export function openedByAge(stored: Buffer): Buffer {
  if (shared === undefined) return stored;
  return execFileSync("age", ["-d", "-i", shared.env["HANDLED_IDENTITY"] ?? ""], {
    input: stored,
    maxBuffer: 1 << 28,
  });
}
