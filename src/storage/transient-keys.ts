import { isTemporaryName } from "../lib/durable.ts";

// Names of the repository's layout; a test there holds the two together.
const TRANSIENT = [
  /\/lease\.\d+\.json$/,
  /\/backups\/[^/]+\/unfinished$/,
  /^[^/]+\/readers\//,
  /^[^/]+\/records\/(?:garbage|locks|runs\/begun|recoveries\/begun)\//,
  /(?:^|\/)handled-probe-[^/]+$/,
];

/** Whether an object is written again or removed within days, so that it must never be locked. */
export function isTransientKey(key: string): boolean {
  return isTemporaryName(key.slice(key.lastIndexOf("/") + 1)) || TRANSIENT.some((name) => name.test(key));
}
