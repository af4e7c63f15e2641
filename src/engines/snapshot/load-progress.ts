import type { Runtime } from "../../lib/runtime.ts";
import { progressTeller } from "../archive/progress.ts";
import type { ScriptEntry } from "./load-script.ts";
import type { LoadTask } from "./load-tasks.ts";

/** Whether a person would call what the entry makes an index. */
const isIndex = ({ type }: ScriptEntry): boolean => type === "INDEX" || type === "CONSTRAINT";

/** Tells how far a load has come: rows, tables, indexes, and the share of all the work that this is. */
export class LoadProgress {
  readonly #tell: ReturnType<typeof progressTeller>;
  #totalCost = 0;
  #cost = 0;
  #bytes = 0;
  #tables = 0;
  #indexes = 0;
  #table: string | undefined;

  constructor(
    runtime: Runtime,
    plan: { readonly bytes: number; readonly tables: number; readonly entries: readonly ScriptEntry[] },
  ) {
    this.#tell = progressTeller(runtime, {
      phase: "restore",
      totalBytes: plan.bytes,
      totalTables: plan.tables,
      totalIndexes: plan.entries.filter(isIndex).length,
    });
  }

  expect(tasks: readonly LoadTask[]): void {
    this.#totalCost = tasks.reduce((sum, { cost }) => sum + cost, 0);
  }

  /** So many bytes more of a table's rows. */
  loaded(table: string, bytes: number): void {
    this.#bytes += bytes;
    this.#table = table;
    this.#worked(bytes);
  }

  tableDone(): void {
    this.#tables += 1;
    this.#worked(0);
  }

  built(entry: ScriptEntry, cost: number): void {
    if (isIndex(entry)) this.#indexes += 1;
    this.#worked(cost);
  }

  analyzed(cost: number): void {
    this.#worked(cost);
  }

  #worked(cost: number): void {
    this.#cost += cost;
    this.#tell({
      bytes: this.#bytes,
      tables: this.#tables,
      indexes: this.#indexes,
      table: this.#table,
      share: this.#totalCost === 0 ? undefined : this.#cost / this.#totalCost,
    });
  }
}
