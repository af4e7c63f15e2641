import { auditChainsFolder, STRATEGY_KEY, usersFolder } from "../layout.ts";
import type { Identity } from "../../lib/age/keys.ts";
import type { SealKeys } from "../../storage/location.ts";

/**
 * Who may read an object: `plain` anybody, `shared` the recipients and the hosts that write backups, `secret` the
 * recipients alone. The key alone tells.
 */
export type SealClass = "plain" | "shared" | "secret";

/** Whether one of the keys that are known here opens the object, if it is as it was written. */
export function shouldOpen(
  { recipients, hosts, mixed }: SealKeys,
  identities: readonly Identity[],
  key: string,
): boolean {
  const to = sealClassOf(key) === "secret" ? recipients : [...recipients, ...hosts];
  return !mixed && identities.some(({ recipient }) => to.includes(recipient.text));
}

const OF_BACKUP: Readonly<Record<string, SealClass>> = {
  index: "shared",
  tables: "shared",
  content: "secret",
};
const SHARED_RECORDS = ["proofs", "runs", "duties", "recoveries", "provider", "alerts"];
/** An archive of a sealed repository, as its name tells. */
const SEALED_ARCHIVE = /\.age$/i;

export function sealClassOf(key: string): SealClass {
  const [database, folder = "", ...rest] = key.split("/");
  // Hosts write it, and read it from nowhere but their own disk.
  if (key.startsWith(usersFolder)) return "secret";
  // Whoever writes backups has it, and looks whether it changed.
  if (key === STRATEGY_KEY || key.startsWith(auditChainsFolder)) return "shared";
  if (rest.length === 0) return database !== "system" && SEALED_ARCHIVE.test(folder) ? "secret" : "plain";
  if (folder === "parts") return "secret";
  if (folder === "tables") return "shared";
  if (folder === "records") return SHARED_RECORDS.includes(rest[0] ?? "") ? "shared" : "plain";
  return folder === "backups" && rest.length === 2 ? (OF_BACKUP[rest[1] ?? ""] ?? "plain") : "plain";
}
