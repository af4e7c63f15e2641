import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { hasLiteralPassword } from "../../config/literal-password.ts";
import type { Strategy } from "../../config/strategy.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { hostKeyPath } from "../../repository/sealing/key-files.ts";
import { type Finding, finding } from "../finding.ts";

const READABLE_BY_OTHERS = 0o044;
const READABLE_BY_GROUP = 0o040;
const ROOT = 0;

/** Whether files with keys and passwords may be read by others on this machine. Those that are not there are no finding. */
export async function checkFiles(runtime: Runtime, strategy: Strategy | null): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [path, what] of secretFiles(runtime, strategy)) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || !found.isFile() || (found.mode & READABLE_BY_OTHERS) === 0) continue;
    // A key of the machine, which root gives to a group: PostgreSQL takes that, too.
    if (found.uid === ROOT && (found.mode & READABLE_BY_OTHERS) === READABLE_BY_GROUP) continue;
    findings.push(
      finding(
        "file-exposed",
        { database: null, criticality: null },
        {
          subject: path,
          message: `others may read ${path}, which holds ${what}`,
          hint: `\`chmod 600 ${path}\`; who has read it has it still, so think of a new one`,
          evidence: { mode: (found.mode & 0o777).toString(8) },
        },
      ),
    );
  }
  return findings;
}

/** By path, what is in it. */
function secretFiles(runtime: Runtime, strategy: Strategy | null): Map<string, string> {
  const { env, keys } = runtime;
  const files = new Map(keys.identityFiles.map((path) => [path, "an identity that opens backups"]));
  const add = (path: string | undefined, what: string): void => {
    if (path !== undefined && path !== "") files.set(path, what);
  };
  const home = env["HOME"] ?? "";
  const own = (path: string): string | undefined => (home === "" ? undefined : join(home, path));
  add(env["PGPASSFILE"] ?? own(".pgpass"), "passwords of databases");
  add(env["PGSSLKEY"] ?? own(".postgresql/postgresql.key"), "the key of a certificate");
  if (strategy === null) return files;
  const { path, databases, repositories } = strategy;
  for (const { recipients, hostKey } of repositories)
    if (recipients !== undefined) add(hostKeyPath(runtime, hostKey), "the key of this host");
  add(join(dirname(path), "handled.env"), "what the strategy must not: passwords");
  if ([...databases, ...repositories].some(({ url }) => hasLiteralPassword(url.text)))
    add(path, "a password");
  return files;
}
