import type { Answer } from "../../api/queries.ts";

export type DatabaseStatus = Answer<"overview">["databases"][number];

export interface Protection {
  /** `unprotected`: nothing could be brought back, or nobody knows; `at risk`: something needs a look. */
  readonly level: "protected" | "at risk" | "unprotected";
  /** In one sentence. */
  readonly why: string;
  /** Whether there is a backup that is good as far as anybody knows: a promise may be broken all the same. */
  readonly comesBack: boolean;
}

/** Whether a database could be brought back, by what health has found of it. */
export function protectionOf({ known, newestPoint, provenPoint, problems }: DatabaseStatus): Protection {
  const [worst] = problems;
  if (!known) return { level: "unprotected", why: "its backups could not be looked at", comesBack: false };
  if (newestPoint === null)
    return { level: "unprotected", why: "there is no backup to bring back", comesBack: false };
  if (worst?.severity === "critical") return { level: "unprotected", why: worst.message, comesBack: true };
  if (worst !== undefined) return { level: "at risk", why: worst.message, comesBack: true };
  if (provenPoint === null)
    return { level: "at risk", why: "no backup has been restored and compared yet", comesBack: true };
  return {
    level: "protected",
    why: "its newest backup is within the objectives, and one was restored and compared",
    comesBack: true,
  };
}
