import { AppError, inOperation, isAppError } from "../../errors.ts";
import { counted } from "../../lib/text.ts";
import { quoteIdentifier, quoteLiteral, type Session } from "../../postgres/session.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import { readPartList } from "../../repository/part-lists.ts";
import type { Repository } from "../../repository/repository.ts";
import { readRoleLimits } from "../archive/leave-out.ts";
import { CONTENTS_STAGE, FACTS_STAGE, holdsContents } from "./large-objects.ts";
import { type ActAs, describingStatements, type LargeObjectFacts } from "./large-objects-statements.ts";
import { partsOf } from "./load-rows.ts";
import { readRows } from "./load-text.ts";
import { addDigests, RowDigest, ZERO_DIGEST } from "./row-digest.ts";

export interface LoadLargeObjects {
  readonly repository: Repository;
  readonly database: string;
  /** The lines of large objects among the snapshot's tables; none: there is nothing to do. */
  readonly tables: readonly SnapshotTable[];
  /** A transaction is open, and stays so. */
  readonly inTransaction: boolean;
}

/**
 * Makes the large objects and fills them, part by part: one part's chunks wait in a temporary table, never more. Each part
 * is checked as those of tables are. They belong to the session's role until `describeLargeObjects`.
 * @param told so many bytes of COPY text more are on their way
 */
export async function fillLargeObjects(
  session: Session,
  request: LoadLargeObjects,
  told: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const facts: Staged = { what: "facts", told };
  await stage(session, request, facts, signal, async () => {
    await session.query(`select pg_catalog.count(pg_catalog.lo_create(oid)) from ${FACTS_STAGE}`);
  });
  const contents: Staged = { what: "contents", told };
  await stage(session, request, contents, signal, async () => {
    await session.query(
      `select pg_catalog.count(*) from ${CONTENTS_STAGE} c, pg_catalog.lo_put(c.oid, c."offset", c.data)`,
    );
  });
}

/**
 * Gives the large objects their comments, labels, owners and privileges. Returns what the role could not do and was left
 * out, in words.
 */
export async function describeLargeObjects(
  session: Session,
  request: LoadLargeObjects,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { otherRoles } = await readRoleLimits(session);
  const left = new Map<string, number>();
  const limits = {
    otherRoles,
    leave: (reason: string) => void left.set(reason, (left.get(reason) ?? 0) + 1),
  };
  await stage(session, request, { what: "facts", told: () => {} }, signal, async () => {
    for (let from = 0; ; ) {
      const facts = await session.query<LargeObjectFacts & { readonly own: boolean }>(
        `select f.oid::text as oid, f.owner, f.owner = current_user::text as own, f.grants::json as grants, f.comment,
                f.labels::json as labels
           from ${FACTS_STAGE} f
          where f.oid >= $1::oid and (f.owner <> current_user::text or f.grants is not null
                                      or f.comment is not null or f.labels is not null)
          order by f.oid limit ${BATCH}`,
        [from],
      );
      const statements = facts.flatMap((one) => describingStatements(one, one.own, limits, ACT_AS));
      // One statement for all: a round trip for each would take longer than the work.
      if (statements.length > 0)
        await session.query(`do ${quoteLiteral(`begin ${statements.join("; ")}; end`)}`);
      from = Number(facts.at(-1)?.oid ?? 0) + 1;
      if (facts.length < BATCH) return;
    }
  });
  return [...left].map(([reason, count]) => `${reason} (${counted(count, "large object")})`);
}

// All statements of a batch are one transaction.
const ACT_AS: ActAs = (role) => [`set local role ${quoteIdentifier(role)}`, "reset role"];

// Each object that is altered is locked to the end of its transaction, and a server has room for a few thousand locks.
const BATCH = 1000;

const STAGES = {
  facts: {
    table: FACTS_STAGE,
    columns: "oid oid, owner text, grants text, comment text, labels text",
    storage: "extended",
    long: "comment",
  },
  contents: {
    table: CONTENTS_STAGE,
    columns: `oid oid, "offset" int8, data bytea`,
    // Read once, at once: compressing it here would be in vain.
    storage: "external",
    long: "data",
  },
} as const;

interface Staged {
  readonly what: keyof typeof STAGES;
  readonly told: (bytes: number) => void;
}

/** Puts one part after the other into a temporary table, and has something done with it; then looks whether that was all. */
async function stage(
  session: Session,
  { repository, database, tables, inTransaction }: LoadLargeObjects,
  { what, told }: Staged,
  signal: AbortSignal,
  use: () => Promise<void>,
): Promise<void> {
  const table = tables.find((one) => holdsContents(one) === (what === "contents"));
  if (table === undefined || table.partList === null) return;
  const { table: staged, columns, long, storage } = STAGES[what];
  const digest = new RowDigest();
  const found = { rows: 0, digest: ZERO_DIGEST };
  try {
    const list = await readPartList(repository, database, table.partList, signal);
    await session.query(`create temporary table ${staged} (${columns})`);
    await session.query(`alter table ${staged} alter column ${long} set storage ${storage}`);
    for await (const part of partsOf(list)) {
      if (!inTransaction) await session.query("begin");
      await session.copyIn(
        list.header.copy,
        readRows({ storage: repository.storage, database }, [part], digest, signal),
      );
      told(part.bytes);
      await use();
      await session.query(`truncate ${staged}`);
      if (!inTransaction) await session.query("commit");
      found.rows += part.rows;
      found.digest = addDigests(found.digest, part.digest);
    }
    await session.query(`drop table ${staged}`);
  } catch (error) {
    throw isAppError(error, "backup_damaged") ? inOperation("load the large objects", error) : error;
  }
  if (found.rows === table.rows && found.digest === table.digest) return;
  throw new AppError("backup_damaged", "load the large objects: their parts are not all that there was", {
    details: { rows: found.rows, expected: table.rows },
  });
}
