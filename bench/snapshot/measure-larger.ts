import { type Bench, dropDatabase, freshFolder, openSession } from "./bench.ts";
import { mostMemory, took } from "./figures.ts";
import type { Findings } from "./goals.ts";
import { DATABASE, restoreSnapshot, takeSnapshot } from "./handled.ts";

const LARGER = "larger";
const INTO = "larger_restored";

/** Memory of a backup and a restore of the same tables with several times as many rows. */
export async function measureLarger(bench: Bench, signal: AbortSignal): Promise<Findings> {
  const { place, options, say } = bench;
  const repository = await freshFolder(place, "repository-larger");
  await using _ = {
    [Symbol.asyncDispose]: async () => {
      await freshFolder(place, "repository-larger");
      // Also after an interruption, which ends what the signal governs.
      const after = new AbortController().signal;
      for (const name of [LARGER, INTO]) await dropDatabase(place, name, after);
    },
  };
  await multiply(bench, signal);
  const taken = await takeSnapshot(place, repository, signal, { database: LARGER });
  say(`a snapshot of ${(taken.bytes / 1e9).toFixed(2)} GB took ${took(taken)}`);
  const restored = await restoreSnapshot(place, repository, INTO, signal, { database: LARGER });
  say(`its restore took ${took(restored)}`);
  const detail = `${options.larger} times the size: ${(taken.bytes / 1e9).toFixed(2)} GB of text`;
  return {
    backupMemoryLarger: mostMemory([taken], detail),
    restoreMemoryLarger: mostMemory([restored], detail),
  };
}

/** Copies within the server, keeping primary keys alone: filling indexes and checking keys row by row would take longer than all the rest. */
async function multiply({ place, options, filled }: Bench, signal: AbortSignal): Promise<void> {
  {
    await using session = await openSession(place, "postgres", signal);
    await session.query(`create database ${LARGER} template ${DATABASE} strategy file_copy`);
  }
  await using session = await openSession(place, LARGER, signal);
  const others = await session.query<{ name: string }>(
    `select i.indexrelid::pg_catalog.regclass::text as name from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indrelid
     where c.relnamespace = 'public'::pg_catalog.regnamespace and not i.indisprimary`,
  );
  for (const { name } of others) await session.query(`drop index ${name}`);
  await session.query("alter table public.movements drop constraint movements_product_id_fkey");
  const { imports, products, movements } = filled;
  for (let more = 1; more < options.larger; more++) {
    await session.query(
      `insert into public.imports select id + $1::int8, source, file_name, received_at, state, payload, original
         from public.imports where id <= $2`,
      [more * imports, imports],
    );
    await session.query(
      `insert into public.products select id + $1::int4, code || $3::text, name, description, category, supplier, price,
              weight_g, attributes, active, created_at, updated_at from public.products where id <= $2`,
      [more * products, products, `-${more}`],
    );
    await session.query(
      `insert into public.movements select id + $1::int8, product_id, location_id, quantity, price, moved_at, kind
         from public.movements where id <= $2`,
      [more * movements, movements],
    );
  }
}
