import type { ForeignKey, ScriptEntry } from "./load-script.ts";
import type { PartitionTrees } from "./load-trees.ts";
import type { RestoreOrder } from "./restore-order.ts";

/** A foreign key that was not restored, and what would. */
export interface LeftForeignKey extends ForeignKey {
  readonly statements: readonly string[];
}

/** What of the definitions is restored when only some tables have rows. */
export interface EntryChoice extends Pick<RestoreOrder, "parallel" | "after" | "last"> {
  readonly leftForeignKeys: readonly LeftForeignKey[];
}

// They belong to a whole database.
const OF_DATABASES = new Set([
  "PUBLICATION",
  "PUBLICATION TABLE",
  "PUBLICATION TABLES IN SCHEMA",
  "SUBSCRIPTION",
  "SUBSCRIPTION TABLE",
  "EVENT TRIGGER",
]);

/**
 * Leaves out the foreign keys that cannot hold because only the tables they refer to stay empty, and what belongs to a
 * whole database, each with what is about it. Everything else on an empty table is made in no time, and others may need it:
 * a view by its table's primary key.
 * @param chosen quoted names of the tables with rows; undefined: all, and nothing is left out
 */
export function chooseEntries(
  order: RestoreOrder,
  { roots }: PartitionTrees,
  chosen: ReadonlySet<string> | undefined,
): EntryChoice {
  if (chosen === undefined) return { ...order, leftForeignKeys: [] };
  // A key of a partitioned table is one of its partitions too, any of which may be chosen alone.
  const withRows = new Set([...chosen].map((name) => roots.get(name) ?? name));
  const left = new Set<number>();
  const leftForeignKeys: LeftForeignKey[] = [];
  const stays = ({ id, type, needs, foreignKey, statements }: ScriptEntry): boolean => {
    const leaves =
      foreignKey !== null &&
      withRows.has(roots.get(foreignKey.table) ?? foreignKey.table) &&
      !chosen.has(foreignKey.references);
    if (leaves) leftForeignKeys.push({ ...foreignKey, statements });
    if (!leaves && !OF_DATABASES.has(type) && !needs.some((need) => left.has(need))) return true;
    left.add(id);
    return false;
  };
  return {
    parallel: order.parallel.filter(stays),
    after: order.after.filter(stays),
    last: order.last.filter(stays),
    leftForeignKeys,
  };
}
