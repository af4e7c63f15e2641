import { nearest } from "../lib/text.ts";
import { asBlock, asList, type Block } from "./cross-checks.ts";
import type { Finding } from "./describe-issue.ts";
import { formatPath, type Path } from "./problems.ts";

/** The keys that channels of a kind must have, and those that they may have, beside `kind` and `url`. */
const KEYS: Readonly<Record<string, { readonly must: readonly string[]; readonly may: readonly string[] }>> =
  {
    email: { must: ["from", "to"], may: [] },
    slack: { must: [], may: [] },
    webhook: { must: ["secret"], may: [] },
    ping: { must: ["database"], may: ["backup"] },
  };
const MAIL = /^smtps?:\/\//i;
const WEB = /^https?:\/\//i;

/** What no single field of `notify` shows: which keys belong to which kind, and names that do not exist. */
export function checkNotify(root: unknown): Finding[] {
  const { channels, routes } = asBlock(asBlock(root)["notify"]);
  const databases = asBlock(asBlock(root)["databases"]);
  const all = asBlock(channels);
  return [
    ...Object.entries(all).flatMap(([name, channel]) =>
      checkChannel(asBlock(channel), ["notify", "channels", name], databases),
    ),
    ...asList(routes).flatMap((route, index) => {
      const path = ["notify", "routes", index];
      const block = asBlock(route);
      return [
        ...asList(block["channels"]).flatMap((name, n) => checkRouted(name, [...path, "channels", n], all)),
        ...asList(block["databases"]).flatMap((name, n) =>
          checkName(name, [...path, "databases", n], "databases", Object.keys(databases)),
        ),
      ];
    }),
  ];
}

function checkChannel(channel: Block, path: Path, databases: Block): Finding[] {
  const kind = String(channel["kind"]);
  const keys = Object.hasOwn(KEYS, kind) ? KEYS[kind] : undefined;
  if (keys === undefined) return [];
  const missing = keys.must
    .filter((key) => channel[key] === undefined)
    .map((key): Finding => {
      const message = `missing key \`${key}\` in ${formatPath(path)}: \`kind: ${kind}\` needs it`;
      return { path: [...path, key], part: "key", message };
    });
  const others = Object.values(KEYS).flatMap(({ must, may }) => [...must, ...may]);
  const strange = others
    .filter((key) => channel[key] !== undefined && ![...keys.must, ...keys.may].includes(key))
    .map((key): Finding => {
      const message = `${formatPath([...path, key])} is nothing that \`kind: ${kind}\` has`;
      return { path: [...path, key], part: "key", message };
    });
  return [
    ...missing,
    ...strange,
    ...checkAddress(channel, kind, path),
    ...checkWatched(channel, path, databases),
  ];
}

/** One that begins with a variable is looked at when it is used. */
function checkAddress({ url }: Block, kind: string, path: Path): Finding[] {
  if (typeof url !== "string" || /^\s*\$\{/.test(url)) return [];
  const [wanted, words] =
    kind === "email" ? [MAIL, "`smtps://` or `smtp://`"] : [WEB, "`https://` or `http://`"];
  if (wanted.test(url)) return [];
  const at = [...path, "url"];
  return [{ path: at, part: "value", message: `${formatPath(at)} must begin with ${words}` }];
}

/** A ping that names what there is not would never be called, and what it calls would raise the alarm, or nobody. */
function checkWatched({ database, backup }: Block, path: Path, databases: Block): Finding[] {
  const ofDatabase = checkName(database, [...path, "database"], "databases", Object.keys(databases));
  if (ofDatabase.length > 0 || typeof database !== "string" || typeof backup !== "string") return ofDatabase;
  const entries = asList(asBlock(databases[database])["backups"]).map((entry) => asBlock(entry)["name"]);
  const names = entries.filter((name): name is string => typeof name === "string");
  return checkName(backup, [...path, "backup"], `the backups of ${database}`, names);
}

function checkRouted(name: unknown, path: Path, channels: Block): Finding[] {
  const found = checkName(name, path, "notify.channels", Object.keys(channels));
  if (found.length > 0 || typeof name !== "string" || asBlock(channels[name])["kind"] !== "ping")
    return found;
  const message = `${formatPath(path)} names \`${name}\`, which is a ping: it is called for backups, and told of nothing else`;
  return [{ path, part: "value", message }];
}

function checkName(name: unknown, path: Path, of: string, there: readonly string[]): Finding[] {
  if (typeof name !== "string" || there.includes(name)) return [];
  const similar = nearest(name, there);
  const help =
    similar === undefined ? `; there is ${there.join(", ") || "none"}` : `; did you mean \`${similar}\`?`;
  const message = `${formatPath(path)} names \`${name}\`, which is not under ${of}${help}`;
  return [{ path, part: "value", message }];
}
