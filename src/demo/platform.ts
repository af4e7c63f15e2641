import { fingerprintTables, type TableFingerprint } from "../postgres/fingerprint.ts";
import type { Session } from "../postgres/session.ts";
import { dataSchemaSql } from "./data-schema.ts";
import { fillDataSql } from "./fill-data.ts";
import { fillPrimarySql } from "./fill-primary.ts";
import { primarySchemaSql } from "./primary-schema.ts";

// A small platform with a split database, as a stand-in for the user's own: `primary` holds users and customers,
// `data` holds imports and the catalogue made of them. Companies, people and addresses are invented.

/** Makes the empty primary database of the platform in the session's database. */
export async function createPrimary(session: Session): Promise<void> {
  await runAll(session, primarySchemaSql);
}

/** Makes the empty data database of the platform in the session's database. */
export async function createData(session: Session): Promise<void> {
  await runAll(session, dataSchemaSql);
}

/** Fills a database made by `createPrimary`: about 140,000 rows at scale 1, the same ones every time. */
export async function fillPrimary(session: Session, scale = 1): Promise<void> {
  await runAll(session, fillPrimarySql(scale));
}

/** Fills a database made by `createData`: about 320,000 rows at scale 1, the same ones every time. */
export async function fillData(session: Session, scale = 1): Promise<void> {
  await runAll(session, fillDataSql(scale));
}

/**
 * Rows and digest of every ordinary table in these schemas, by name: equal exactly when the tables hold the same rows,
 * in whatever order.
 */
export async function tableFingerprints(
  session: Session,
  schemas: readonly string[],
): Promise<TableFingerprint[]> {
  // One snapshot for all tables.
  await session.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    const fingerprints = await fingerprintTables(session, "n.nspname = ANY ($1)", [schemas]);
    await session.query("COMMIT");
    return fingerprints;
  } catch (error) {
    await session.query("ROLLBACK").catch(() => undefined); // the first error tells more than a lost connection
    throw error;
  }
}

async function runAll(session: Session, statements: readonly string[]): Promise<void> {
  // In one transaction: half a platform is of no use, and one commit is faster than thirty.
  await session.query("BEGIN");
  try {
    // Days have 24 hours here, wherever the demo runs: the rows must not depend on summer time.
    await session.query("SET LOCAL timezone = 'UTC'");
    for (const statement of statements) await session.query(statement);
    await session.query("COMMIT");
  } catch (error) {
    await session.query("ROLLBACK").catch(() => undefined); // the first error tells more than a lost connection
    throw error;
  }
}
