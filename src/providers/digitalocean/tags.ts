import type { ProviderCluster } from "../provider.ts";

/** On everything that Handled makes. */
export const TAG = "handled";
const FROM = "handled-from:";
const UNTIL = "handled-until:";

/** The tags of a new cluster; they go with the request that makes it. The service takes letters, digits, `:`, `-` and `_`. */
export function tagsOf(source: string, until: Date): string[] {
  const time = until.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return [TAG, `${FROM}${source}`, `${UNTIL}${time}`];
}

/** What the tags say of a cluster's lifetime; null where any of them is missing: then it is somebody else's. */
export function lifetimeOf(tags: readonly string[]): ProviderCluster["lifetime"] {
  const after = (prefix: string): string | undefined =>
    // The service may write tags in lower case.
    tags.find((tag) => tag.toLowerCase().startsWith(prefix))?.slice(prefix.length);
  const [source, time] = [after(FROM), after(UNTIL)];
  const parts = /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)z$/i.exec(time ?? "");
  if (!tags.includes(TAG) || source === undefined || parts === null) return null;
  const [year = 0, month = 1, day, hour, minute, second] = parts.slice(1).map(Number);
  return { source, until: new Date(Date.UTC(year, month - 1, day, hour, minute, second)) };
}
