import { counted, formatBytes } from "../../lib/text.ts";
import { isHeartbeat } from "../../postgres/heartbeat.ts";
import type { TableLine } from "../../repository/manifest.ts";
import type { Facts } from "../facts.ts";
import { type CheckId, type Finding, finding } from "../finding.ts";
import { type Jump, jumpOf, type Limits } from "../out-of-history.ts";

/** Of rows, and of the bytes that they are. */
export const ROWS: Limits = { least: 100, fallen: 0.2, grown: 3 };
export const BYTES: Limits = { least: 64 * 1024, fallen: 0.3, grown: 3 };
// That nothing is left is worth a word for smaller tables, too, and as soon as there is a backup that had something.
const EMPTIED: Limits = { least: 10, fallen: 1, grown: Infinity, fewest: 1 };
// More of one kind are one event: a schema that was dropped, a migration.
const MOST_SINGLE = 10;
const NAMES_SHOWN = 5;

/** Whether the newest backup has the tables it should have, and as much in them as its history lets expect. */
export function checkTables(facts: Facts): Finding[] {
  const [newest, ...earlier] = facts.tables;
  if (newest === undefined || earlier.length === 0) return [];
  const now = byName(newest.tables);
  const then = earlier.map(({ tables }) => byName(tables));
  const compared = counted(earlier.length, "backup");
  const found = new Map<CheckId, TableFinding[]>();
  const add = (id: CheckId, one: TableFinding): void => void found.set(id, [...(found.get(id) ?? []), one]);
  for (const [table, line] of now) {
    const before = then.flatMap((tables) => tables.get(table) ?? []);
    if (before.length === 0) add("table-appeared", { table, ...appeared(table, line, compared) });
    const lines = [line, ...before];
    const jump =
      jumpIn(lines, "rows", ROWS) ??
      (line.rows === 0 ? jumpIn(lines, "rows", EMPTIED) : undefined) ??
      jumpIn(lines, "bytes", BYTES);
    if (jump === undefined) continue;
    const shrunk = jump.value < jump.median;
    add(shrunk ? "table-shrunk" : "table-grown", { table, ...jumped(facts, table, jump) });
  }
  for (const [table, line] of last(then)) {
    if (now.has(table) || (line.rows ?? 0) === 0) continue;
    const holders = then.filter((tables) => tables.has(table)).length;
    // What comes and goes, and what has been gone for long, is no news.
    if (holders * 2 < then.length) continue;
    const holder = earlier.find(({ tables }) => tables.includes(line))?.backup.id ?? "";
    add("table-vanished", { table, ...vanished(facts, table, line, holder) });
  }
  return [...found].flatMap(([id, ones]) => together(facts, id, ones));
}

interface TableFinding {
  readonly table: string;
  readonly message: string;
  readonly hint: string;
  readonly evidence: Finding["evidence"];
}

type Told = Omit<TableFinding, "table">;

function byName(tables: readonly TableLine[]): Map<string, TableLine> {
  return new Map(
    tables.filter((line) => !isHeartbeat(line)).map((line) => [`${line.schema}.${line.name}`, line]),
  );
}

/** Every table of the earlier backups, as it was the last time. */
function last(then: readonly ReadonlyMap<string, TableLine>[]): Map<string, TableLine> {
  return new Map(then.toReversed().flatMap((tables) => [...tables]));
}

type Measured = Jump & { readonly of: "rows" | "bytes" };

function jumpIn(lines: readonly TableLine[], of: "rows" | "bytes", limits: Limits): Measured | undefined {
  const values = lines.map((line) => line[of]);
  // A materialized view is refreshed: the backup has no rows of it.
  if (values.some((value) => value === null)) return undefined;
  const jump = jumpOf(
    values.filter((value) => value !== null),
    limits,
  );
  return jump === undefined ? undefined : { ...jump, of };
}

function jumped({ database, tables }: Facts, table: string, jump: Measured): Told {
  const { of, value, median, before, lasting } = jump;
  const since = tables[lasting - 1]?.backup.snapshotAt ?? "";
  const good = tables[lasting]?.backup.id ?? "";
  const show = of === "rows" ? (count: number): string => counted(Math.round(count), "row") : formatBytes;
  const change =
    value < median
      ? `${Math.floor((100 * (median - value)) / median)} % ${of === "rows" ? "fewer rows" : "less in it"}`
      : median === 0
        ? `${of === "rows" ? "rows" : "something in it"}, after none,`
        : `${(value / median).toFixed(1)} times as ${of === "rows" ? "many rows" : "much in it"}`;
  return {
    message:
      `${table} has ${change} than the median of the ${counted(before, "backup")} before ${since.slice(0, 16).replace("T", " ")} UTC: ` +
      `${show(value)}, and ${show(median)} then`,
    hint:
      `\`handled diff ${database} ${good} latest\` tells what changed; ` +
      `\`handled restore ${database} ${good} --table ${table} --new-database look\` brings back what it had`,
    evidence: { of, now: value, median, backups: before, since, goodBackup: good },
  };
}

function appeared(table: string, { rows }: TableLine, compared: string): Told {
  return {
    message: `${table} is new: none of the ${compared} before has it`,
    hint: "nothing, if it is meant to be there",
    evidence: { rows },
  };
}

function vanished({ database }: Facts, table: string, { rows }: TableLine, holder: string): Told {
  return {
    message: `${table} is gone; it had ${counted(rows ?? 0, "row")}`,
    hint: `if nobody meant to drop it, \`handled restore ${database} ${holder} --table ${table} --new-database look\` brings it back`,
    evidence: { rows, goodBackup: holder },
  };
}

/** Each by itself; very many as one. */
function together(facts: Facts, id: CheckId, found: readonly TableFinding[]): Finding[] {
  if (found.length <= MOST_SINGLE)
    return found.map(({ table, ...told }) => finding(id, facts, { subject: table, ...told }));
  const names = found.map(({ table }) => table);
  const rest = names.length - NAMES_SHOWN;
  const [first] = found;
  return [
    finding(id, facts, {
      message: `${counted(found.length, "table")} at once (${names.slice(0, NAMES_SHOWN).join(", ")} and ${rest} more), such as: ${first?.message ?? ""}`,
      hint: first?.hint ?? null,
      evidence: { tables: found.length },
    }),
  ];
}
