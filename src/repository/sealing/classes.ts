/**
 * Who may read an object: `plain` anybody, `shared` the recipients and the hosts that write backups, `secret` the
 * recipients alone. The key alone tells.
 */
export type SealClass = "plain" | "shared" | "secret";

const OF_BACKUP: Readonly<Record<string, SealClass>> = {
  index: "shared",
  tables: "shared",
  content: "secret",
};
/** An archive of a sealed repository, as its name tells. */
const SEALED_ARCHIVE = /\.age$/i;

export function sealClassOf(key: string): SealClass {
  const [database, folder = "", ...rest] = key.split("/");
  if (rest.length === 0) return database !== "system" && SEALED_ARCHIVE.test(folder) ? "secret" : "plain";
  if (folder === "parts") return "secret";
  if (folder === "tables") return "shared";
  if (folder === "records") return rest[0] === "proofs" ? "shared" : "plain";
  return folder === "backups" && rest.length === 2 ? (OF_BACKUP[rest[1] ?? ""] ?? "plain") : "plain";
}
