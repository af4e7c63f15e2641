import type { NewCluster, ProviderCluster } from "../provider.ts";

/** On everything that Handled makes. */
export const TAG = "handled";
const FROM = "handled-from:";
const UNTIL = "handled-until:";
const AT = "handled-at:";
const DRILL = "handled-drill:";

/** The tags of a new cluster; they go with the request that makes it. The service takes letters, digits, `:`, `-` and `_`. */
export function tagsOf({ source, until, at, drill }: Omit<NewCluster, "name">): string[] {
  const always = [TAG, `${FROM}${source.id}`, `${UNTIL}${timeTag(until)}`, `${AT}${timeTag(at)}`];
  return drill === null ? always : [...always, `${DRILL}${drill}`];
}

/** What the tags say of a cluster's lifetime; null where any of them is missing: then it is somebody else's. */
export function lifetimeOf(tags: readonly string[]): ProviderCluster["lifetime"] {
  const after = (prefix: string): string | undefined =>
    // The service may write tags in lower case.
    tags.find((tag) => tag.toLowerCase().startsWith(prefix))?.slice(prefix.length);
  const [source, until, at] = [after(FROM), timeOf(after(UNTIL)), timeOf(after(AT))];
  if (!tags.includes(TAG) || source === undefined || until === null) return null;
  return { source, until, at, drill: after(DRILL) ?? null };
}

/** Whether both are tags of restores of the same source and moment; how long they may stay may differ. */
export function isSameRestore(one: readonly string[], other: readonly string[]): boolean {
  const [a, b] = [lifetimeOf(one), lifetimeOf(other)];
  return a !== null && a.source === b?.source && a.at?.getTime() === b.at?.getTime();
}

/** `20241210T140500Z`, or with milliseconds where there are any: `20241210T140500250Z`. */
function timeTag(at: Date): string {
  return at.toISOString().replace(".000", "").replaceAll(/[-:.]/g, "");
}

function timeOf(tag = ""): Date | null {
  const parts = /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})?z$/i.exec(tag);
  if (parts === null) return null;
  const [year = 0, month = 1, day, hour, minute, second, thousandths] = parts
    .slice(1)
    .map((part: string | undefined) => Number(part ?? 0));
  return new Date(Date.UTC(year, month - 1, day, hour, minute, second, thousandths));
}
