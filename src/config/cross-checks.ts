import { nearest } from "../lib/text.ts";
import type { Finding } from "./describe-issue.ts";
import { formatPath, type Path } from "./problems.ts";

/**
 * What no single field shows: names that are used twice, and names of repositories that do not exist. Works on the
 * values as they were written, whatever is wrong with them, so that one run shows all problems of a file.
 */
export function crossCheck(root: unknown): Finding[] {
  const places = asBlock(asBlock(root)["repositories"]);
  const repositories = Object.keys(places);
  const ofPlaces = repositories.flatMap((name) => checkKeys(asBlock(places[name]), ["repositories", name]));
  const databases = asBlock(asBlock(root)["databases"]);
  const ofDatabases = Object.entries(databases).flatMap(([name, database]) => {
    const path = ["databases", name];
    const { schemas, backups, verify, drills } = asBlock(database);
    const namesIn = (list: unknown): unknown[] => asList(list).map((entry) => asBlock(entry)["name"]);
    return [
      ...checkRepository(database, path, repositories),
      ...checkUnique(asList(asBlock(database)["repositories"]), (index) => [...path, "repositories", index]),
      ...checkSameKeys(asList(asBlock(database)["repositories"]), places, path),
      ...checkUnique(asList(schemas), (index) => [...path, "schemas", index]),
      ...checkUnique(namesIn(backups), (index) => [...path, "backups", index, "name"]),
      ...checkUnique(namesIn(verify), (index) => [...path, "verify", index, "name"]),
      ...checkUnique(namesIn(drills), (index) => [...path, "drills", index, "name"]),
      ...checkAsserted(asBlock(database), path),
      ...asList(backups).flatMap((backup, index) => checkKind(asBlock(backup), [...path, "backups", index])),
    ];
  });
  return [...ofPlaces, ...ofDatabases, ...checkDuties(asList(asBlock(root)["duties"]), databases)];
}

function checkDuties(duties: readonly unknown[], databases: Block): Finding[] {
  const names = duties.map((duty) => asBlock(duty)["name"]);
  const unknown = duties.flatMap((duty, index): Finding[] => {
    const { database } = asBlock(duty);
    if (typeof database !== "string" || databases[database] !== undefined) return [];
    const path = ["duties", index, "database"];
    const similar = nearest(database, Object.keys(databases));
    const suggestion = similar === undefined ? "" : `; did you mean \`${similar}\`?`;
    const message = `${formatPath(path)} names \`${database}\`, which is not under databases${suggestion}`;
    return [{ path, part: "value", message }];
  });
  return [...checkUnique(names, (index) => ["duties", index, "name"]), ...unknown];
}

/** A check of what nobody has asserted would fail every time. */
function checkAsserted({ verify, assertions, trial }: Block, path: Path): Finding[] {
  if (asList(assertions).length > 0 || trial !== undefined) return [];
  return asList(verify).flatMap((entry, index): Finding[] => {
    if (asBlock(entry)["level"] !== "assertions") return [];
    const inside = [...path, "verify", index, "level"];
    const message = `${formatPath(inside)} is \`assertions\`, and ${formatPath(path)} has neither \`assertions\` nor \`trial\``;
    return [{ path: inside, part: "value", message }];
  });
}

/** Half a pair of keys opens nothing, and a folder has none, nor locks. A URL that comes from a variable is looked at when it is opened. */
function checkKeys(repository: Block, path: Path): Finding[] {
  const { url } = repository;
  const isFolder = typeof url === "string" && !/^\s*(?:s3:\/\/|\$\{)/i.test(url);
  const lock = ["lock", "lockMode"].find((key) => repository[key] !== undefined);
  if (isFolder && lock !== undefined) {
    const message = `${formatPath([...path, lock])} is nothing that a folder has: only a bucket with object lock keeps what is deleted`;
    return [{ path: [...path, lock], part: "key", message }];
  }
  if (lock === "lockMode") {
    const message = `missing key \`lock\` in ${formatPath(path)}: \`lockMode\` says how, not how long`;
    return [{ path: [...path, "lock"], part: "key", message }];
  }
  const [given, ...rest] = ["accessKey", "secretKey"].filter((key) => repository[key] !== undefined);
  if (given === undefined) return [];
  const inside = [...path, given];
  if (isFolder) {
    const message = `${formatPath(inside)} is nothing that a folder has`;
    return [{ path: inside, part: "key", message }];
  }
  if (rest.length > 0) return [];
  const other = given === "accessKey" ? "secretKey" : "accessKey";
  const message = `missing key \`${other}\` in ${formatPath(path)}: it belongs to \`${given}\``;
  return [{ path: [...path, other], part: "key", message }];
}

function checkRepository(database: unknown, path: Path, repositories: readonly string[]): Finding[] {
  // Without any repository that alone is the problem, and the schema reports it.
  if (repositories.length === 0 || !isBlock(database)) return [];
  const { repository } = database;
  const inside = [...path, "repository"];
  if (database["repositories"] !== undefined) {
    const list = [...path, "repositories"];
    const ofNames = asList(database["repositories"]).flatMap((name, index) =>
      checkName(name, [...list, index], repositories),
    );
    if (repository === undefined) return ofNames;
    const message = `${formatPath(inside)} and ${formatPath(list)} are both given; keep the list alone`;
    return [{ path: inside, part: "key", message }, ...ofNames];
  }
  if (repository === undefined && repositories.length > 1) {
    const message =
      `missing key \`repository\` in ${formatPath(path)}: there are several (${repositories.join(", ")}); ` +
      "`repositories` with a list keeps every backup in each";
    return [{ path: inside, part: "key", message }];
  }
  return checkName(repository, inside, repositories);
}

/**
 * Objects are copied as they are stored, so the places of one database are sealed to the same keys. What comes from a variable
 * is compared when the places are used.
 */
function checkSameKeys(names: readonly unknown[], places: Block, path: Path): Finding[] {
  const known = names.filter((name): name is string => typeof name === "string" && isBlock(places[name]));
  const [first, ...others] = known;
  if (first === undefined) return [];
  const written = (name: string, key: string): string => {
    const value = asBlock(places[name])[key];
    return JSON.stringify(Array.isArray(value) ? [...new Set(value.map(String))].toSorted() : value) ?? "";
  };
  return others.flatMap((other) =>
    ["recipients", "hostKey"].flatMap((key): Finding[] => {
      const [one, two] = [written(first, key), written(other, key)];
      if (one === two || `${one}${two}`.includes("${")) return [];
      const inside = [...path, "repositories", names.indexOf(other)];
      const message =
        `${formatPath(inside)}: \`${other}\` and \`${first}\` have different \`${key}\`; ` +
        "all places of one database are encrypted to the same keys";
      return [{ path: inside, part: "value", message }];
    }),
  );
}

function checkName(name: unknown, path: Path, repositories: readonly string[]): Finding[] {
  if (typeof name !== "string" || repositories.includes(name)) return [];
  const similar = nearest(name, repositories);
  const suggestion =
    similar === undefined ? `; there is ${repositories.join(", ")}` : `; did you mean \`${similar}\`?`;
  const message = `${formatPath(path)} names \`${name}\`, which is not under repositories${suggestion}`;
  return [{ path, part: "value", message }];
}

const ARCHIVE_KEYS = ["format", "compression"];
const SNAPSHOT_KEYS = ["jobs"];

/** A setting of the other kind would be ignored, which is not what whoever wrote it expects. */
function checkKind(backup: Block, path: Path): Finding[] {
  const { kind = "archive" } = backup;
  if (kind !== "archive" && kind !== "snapshot") return [];
  const others = kind === "archive" ? SNAPSHOT_KEYS : ARCHIVE_KEYS;
  return others
    .filter((key) => backup[key] !== undefined)
    .map((key) => ({
      path: [...path, key],
      part: "key" as const,
      message: `${formatPath([...path, key])} is nothing that \`kind: ${kind}\` has`,
    }));
}

function checkUnique(values: readonly unknown[], pathOf: (index: number) => Path): Finding[] {
  return values.flatMap((value, index): Finding[] => {
    if (typeof value !== "string" || values.indexOf(value) === index) return [];
    const path = pathOf(index);
    return [{ path, part: "value", message: `${formatPath(path)} is \`${value}\`, like one before it` }];
  });
}

export type Block = Readonly<Record<string, unknown>>;

function isBlock(value: unknown): value is Block {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function asBlock(value: unknown): Block {
  return isBlock(value) ? value : {};
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
