import { AppError } from "../../errors.ts";
import type { DumpFacts } from "./inspect-dump.ts";

/** Fails with `backup_damaged` unless the dump's end marker was found where it belongs. */
export function requireWhole(facts: DumpFacts): void {
  if (facts.complete) return;
  throw new AppError(
    "backup_damaged",
    "read the archive: its end is missing, pg_dump's last line was not found",
    {
      hint: "the file was cut short, or the dump that made it failed: use another backup",
      details: { bytes: facts.bytes, tables: facts.tables.length },
    },
  );
}

/** Fails with `not_an_archive` when the dump has commands for psql, which could leave the database it is meant for. */
export function requireHarmless(refusals: readonly string[]): void {
  const [first] = refusals;
  if (first === undefined) return;
  throw new AppError("not_an_archive", `read the archive: it has a command to psql itself: ${first}`, {
    hint: "dumps by `pg_dumpall` or `pg_dump --create` write into other databases: take one with plain `pg_dump`",
    details: { refusals },
  });
}
