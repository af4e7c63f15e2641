import { isHeartbeat } from "../../postgres/heartbeat.ts";
import type { SnapshotTable, TableLine } from "../../repository/manifest.ts";
import type { BackupDetails } from "../show.ts";
import type { DiffSide, TableFacts } from "./report.ts";

/** A table's line where the backup is a snapshot. */
export function snapshotLine(line: TableLine | undefined): SnapshotTable | undefined {
  return line !== undefined && "partList" in line ? line : undefined;
}

export function sideOf({ index }: Pick<BackupDetails, "index">): DiffSide {
  const { id, kind, server, schemas } = index;
  return { id, kind, database: server.database, schemas, at: new Date(index.snapshotAt) };
}

export function factsOf(line: TableLine | undefined): TableFacts | null {
  if (line === undefined) return null;
  return { rows: line.rows, bytes: line.bytes, digest: snapshotLine(line)?.digest ?? null };
}

interface Named {
  readonly schema: string;
  readonly name: string;
}

/** What two lists have under the same name, by schema and name; without the heartbeat, which is another in every backup. */
export function pairByName<A extends Named, B extends Named>(
  first: readonly A[],
  second: readonly B[],
): {
  readonly schema: string;
  readonly name: string;
  readonly a: A | undefined;
  readonly b: B | undefined;
}[] {
  const keyOf = ({ schema, name }: Named): string => JSON.stringify([schema, name]);
  const [as, bs] = [
    new Map(first.map((one) => [keyOf(one), one])),
    new Map(second.map((one) => [keyOf(one), one])),
  ];
  const keys = [...new Set([...as.keys(), ...bs.keys()])].toSorted();
  return keys.flatMap((key) => {
    const [schema = "", name = ""] = JSON.parse(key) as string[];
    return isHeartbeat({ schema, name }) ? [] : [{ schema, name, a: as.get(key), b: bs.get(key) }];
  });
}
