import { AppError } from "../../errors.ts";
import { parseDuration } from "../../lib/duration.ts";
import { nearest } from "../../lib/text.ts";

import type { LockSettings } from "../locks.ts";

/** A bucket, or the part of one under a prefix. */
export interface S3Place {
  readonly bucket: string;
  /** What every key begins with: empty, or segments that end in `/`. */
  readonly prefix: string;
  /** Undefined: AWS. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** Whether the bucket's name stands in the path of requests, not in front of the host's. */
  readonly pathStyle: boolean;
  /** How what is written there is locked. */
  readonly lock: LockSettings | undefined;
  /** The place as a person would name it, in one spelling. */
  readonly url: string;
}

const HINT =
  "write it like `s3://my-bucket/handled?endpoint=https://fra1.digitaloceanspaces.com&region=fra1`";
const PARAMETERS = ["endpoint", "region", "path-style", "lock", "lock-mode"];
// Twice this is how long a mistake could cost: in compliance mode nobody takes a lock back.
const LONGEST_LOCK_MS = 3650 * 86_400_000;
// AWS allows fewer names today; older buckets, and other servers, have more.
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;

/**
 * Reads `s3://bucket/prefix?endpoint=…&region=…&path-style=…&lock=14d&lock-mode=…`. Without an endpoint it is AWS's; elsewhere path style is
 * what every server understands. Throws `usage`, never naming what may be a secret.
 */
export function parseS3Url(text: string): S3Place {
  if (!URL.canParse(text)) throw refused("an s3:// place", "it is no URL");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw new AppError("usage", "open repository: an s3:// URL must not hold keys", {
      hint: "set `accessKey` and `secretKey` of the repository in the strategy, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    });
  }
  if (!BUCKET.test(url.hostname) || url.port !== "" || url.hash !== "")
    throw refused(text, "it names no bucket");
  checkParameters(text, url.searchParams);
  const endpoint = endpointOf(text, url.searchParams.get("endpoint"));
  const region = url.searchParams.get("region") ?? undefined;
  const pathStyle = pathStyleOf(text, url.searchParams.get("path-style"), endpoint);
  const prefix = prefixOf(text, url.pathname);
  return {
    bucket: url.hostname,
    prefix,
    endpoint,
    region,
    pathStyle,
    lock: lockOf(text, url.searchParams),
    url: `s3://${url.hostname}${url.pathname.replace(/\/$/, "")}${url.search}`,
  };
}

function checkParameters(text: string, parameters: URLSearchParams): void {
  for (const name of parameters.keys()) {
    if (PARAMETERS.includes(name) && parameters.getAll(name).length === 1 && parameters.get(name) !== "") {
      continue;
    }
    if (PARAMETERS.includes(name)) throw refused(text, `\`${name}\` must be there once, with a value`);
    const similar = nearest(name, PARAMETERS);
    throw new AppError("usage", `open repository: there is no \`${name}\` in an s3:// URL`, {
      hint: similar === undefined ? `there is ${PARAMETERS.join(", ")}` : `did you mean \`${similar}\`?`,
    });
  }
}

function endpointOf(text: string, given: string | null): string | undefined {
  if (given === null) return undefined;
  const endpoint = /^[a-z]+:\/\//i.test(given) ? given : `https://${given}`;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "")
    throw refused(text, "its endpoint is no http or https address");
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
}

function pathStyleOf(text: string, given: string | null, endpoint: string | undefined): boolean {
  if (given === "true" || given === "false") return given === "true";
  if (given !== null) throw refused(text, "`path-style` is `true` or `false`");
  return endpoint !== undefined && !/\.amazonaws\.com(?:\.cn)?$/.test(new URL(endpoint).hostname);
}

function lockOf(text: string, parameters: URLSearchParams): LockSettings | undefined {
  const mode = parameters.get("lock-mode") ?? "compliance";
  if (mode !== "compliance" && mode !== "governance")
    throw refused(text, "`lock-mode` is `compliance` or `governance`");
  const given = parameters.get("lock");
  if (given === null) {
    if (parameters.has("lock-mode")) throw refused(text, "it has a `lock-mode` and no `lock`");
    return undefined;
  }
  const windowMs = parseDuration(given) ?? 0;
  if (windowMs > 0 && windowMs <= LONGEST_LOCK_MS) return { windowMs, mode };
  throw refused(text, "`lock` is a duration such as `14d`, at most ten years");
}

function prefixOf(text: string, pathname: string): string {
  const path = pathname.replaceAll(/^\/|\/$/g, "");
  if (path === "") return "";
  let segments: string[];
  try {
    segments = path.split("/").map(decodeURIComponent);
  } catch (cause) {
    throw new AppError("usage", `open repository ${text}: its path has a broken percent code`, { cause });
  }
  if (segments.some((segment) => segment === "" || segment === "." || segment === ".."))
    throw refused(text, "its path has an empty part");
  return `${segments.join("/")}/`;
}

function refused(text: string, reason: string): AppError {
  return new AppError("usage", `open repository ${text}: ${reason}`, { hint: HINT });
}
