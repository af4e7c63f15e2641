import { AppError } from "../../errors.ts";
import { formatLocalTime } from "../../lib/local-time.ts";
import { encodeName } from "../../repository/layout.ts";
import type { ArchiveFile } from "../../repository/manifest.ts";
import type { ArchiveShape } from "./sniff.ts";

export { sniffArchive } from "./sniff.ts";

export interface NameRequest {
  /** First word of the name. */
  readonly prefix: string;
  readonly database: string;
  readonly at: Date;
  /** IANA zone whose wall clock the name shows. */
  readonly timeZone: string;
  readonly format: ArchiveFile["format"];
  readonly compression: ArchiveFile["compression"];
  /** It lies in an age file. */
  readonly sealed?: boolean;
  /** Says whether a name is in use. */
  readonly taken: (name: string) => boolean;
}

// The longest file name that ext4, xfs, APFS and S3 gateways over them all store.
const LONGEST_NAME = 255;

/**
 * `handled_data_20241211_143022.sql.gz`; when that name is taken (two backups in a second, or the hour that a clock
 * change repeats) `…_2`, `…_3` and so on. Fails with `usage` when the prefix makes it longer than a file name may be.
 */
export function archiveFileName(request: NameRequest): string {
  const stem = `${stemOf(request)}_${formatLocalTime(request.at, request.timeZone)}`;
  const suffix = `${suffixOf(request)}${request.sealed === true ? ".age" : ""}`;
  for (let n = 1; ; n += 1) {
    const name = `${stem}${n === 1 ? "" : `_${n}`}${suffix}`;
    if (!request.taken(name)) return checkLength(name);
  }
}

/** `handled_data_latest.sql.gz`: the link to the newest archive of this kind. Never the name of an archive itself. */
export function latestName(
  request: Pick<NameRequest, "prefix" | "database" | "format" | "compression">,
): string {
  return checkLength(`${stemOf(request)}_latest${suffixOf(request)}`);
}

const FORMATS: Readonly<Record<string, ArchiveFile["format"]>> = {
  sql: "plain",
  dump: "custom",
  pgdump: "custom",
  pg_dump: "custom",
  custom: "custom",
  backup: "custom",
  sqlc: "custom",
};
const COMPRESSIONS: Readonly<Record<string, ArchiveFile["compression"]>> = {
  gz: "gzip",
  gzip: "gzip",
  zst: "zstd",
  zstd: "zstd",
};

/** What a file's name promises; undefined when it promises no dump. Only the content (`sniffArchive`) decides. */
export function archiveFormatOf(fileName: string): ArchiveShape | undefined {
  const match = /[^/]\.([a-z_]+)(?:\.(gz|gzip|zst|zstd))?(?:\.age)?$/i.exec(fileName);
  const format = FORMATS[match?.[1]?.toLowerCase() ?? ""];
  if (format === undefined) return undefined;
  return { format, compression: COMPRESSIONS[match?.[2]?.toLowerCase() ?? ""] ?? "none" };
}

function stemOf(request: { prefix: string; database: string }): string {
  return `${encodeName(request.prefix)}_${encodeName(request.database)}`;
}

function suffixOf(request: Pick<NameRequest, "format" | "compression">): string {
  if (request.format === "custom") return ".dump";
  return request.compression === "gzip" ? ".sql.gz" : ".sql.zst";
}

function checkLength(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST_NAME) return name;
  throw new AppError("usage", `name the archive: ${name.slice(0, 60)}… is longer than a file name may be`, {
    hint: "choose a shorter prefix",
  });
}
