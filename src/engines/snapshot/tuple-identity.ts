import { AppError } from "../../errors.ts";
import type { Session } from "../../postgres/session.ts";
import { type BlockRange, fromOnly, rangeCondition, type SourceTable } from "./tables.ts";

/** What is compared of a range: nothing of a user's, only where its visible tuples lie and which transactions made them. */
export interface TupleIdentity {
  readonly rows: number;
  /** Tuples made by transactions that the earlier snapshot may not have seen: with one of them the range has changed. */
  readonly young: number;
  /** Of places and transactions of all tuples, 64 bits, as a signed decimal number. */
  readonly hash: string;
}

/** The two numbers that the query needs of the transaction it runs in. */
export interface AgeScale {
  /** Age of the first ordinary transaction id: `base - age(x)` is the id itself, counted from there. */
  readonly base: string;
  /** Age of the earlier snapshot's lower bound. */
  readonly bound: string;
}

const XIDS = 1n << 32n;
// Ages are differences modulo 2^32 in a signed number (transam.c, TransactionIdPrecedes): beyond 2^31 what is young looks
// old. They are counted from the next transaction id at the time of asking, which is later than the snapshot; half of it
// leaves room for all that may run until then.
const MOST_XIDS = 1n << 30n;
// Below are ids with a meaning of their own (transam.h).
const FIRST_NORMAL_XID = 3n;

/**
 * Why the ages of tuples cannot tell what is younger than the earlier snapshot; undefined when they can. Guard G7.
 * @param earlierXmin lower bound of the earlier snapshot, 64 bits
 * @param xmax upper bound of the present one
 */
export function ageProblem(earlierXmin: string, xmax: string): string | undefined {
  const xmin = BigInt(earlierXmin);
  if (BigInt(xmax) - xmin > MOST_XIDS)
    return "more than a thousand million transactions since the last snapshot";
  if (xmin % XIDS < FIRST_NORMAL_XID) return "the last snapshot began at a wrap of the transaction ids";
  return undefined;
}

/** Reads the scale for a transaction; it stays right as long as that lasts, for `age` is stable in it. */
export async function readAgeScale(session: Session, earlierXmin: string): Promise<AgeScale> {
  const [row] = await session.query<AgeScale>(
    "select pg_catalog.age('3'::xid)::text as base, pg_catalog.age($1::text::xid)::text as bound",
    [String(BigInt(earlierXmin) % XIDS)],
  );
  if (row === undefined) throw new AppError("unexpected", "read the age of a transaction: no row");
  return row;
}

/**
 * The query for a range's identity; its parameters are `base` and `bound` of the scale. `age` is compared as a signed
 * number: rows frozen more than 2^31 transactions ago have a negative one and are old.
 * @param secret upper half of the hash's seed, at most 31 bits: whoever writes rows cannot steer the hash
 */
export function identitySql(table: SourceTable, range: BlockRange, secret: number): string {
  const id = "(($1::text::int8 - pg_catalog.age(t.xmin)) & 4294967295)";
  return `select count(*)::float8 as rows,
                 count(*) filter (where pg_catalog.age(t.xmin) between 0 and $2::text::int8)::float8 as young,
                 coalesce(pg_catalog.bit_xor(pg_catalog.hashtidextended(t.ctid, (${secret}::int8 << 32) + ${id})), 0)::text as hash
            ${fromOnly(table)} where ${rangeCondition(range)}`;
}

/** Of the tuples of a range that the earlier snapshot saw for certain, those that are still there. */
export interface Survivors {
  readonly rows: number;
  /** As that of `TupleIdentity`, over these tuples alone. */
  readonly hash: string;
}

/** The query for them; parameters and hash as those of `identitySql`. */
export function survivorsSql(table: SourceTable, range: BlockRange, secret: number): string {
  const id = "(($1::text::int8 - pg_catalog.age(t.xmin)) & 4294967295)";
  const old = "filter (where not pg_catalog.age(t.xmin) between 0 and $2::text::int8)";
  return `select count(*) ${old}::float8 as rows,
                 coalesce(pg_catalog.bit_xor(pg_catalog.hashtidextended(t.ctid, (${secret}::int8 << 32) + ${id})) ${old}, 0)::text as hash
            ${fromOnly(table)} where ${rangeCondition(range)}`;
}

export async function readSurvivors(session: Session, sql: string, scale: AgeScale): Promise<Survivors> {
  const [row] = await session.query<Survivors>(sql, [scale.base, scale.bound]);
  if (row === undefined) throw new AppError("unexpected", "read what is left of a range: no row");
  return row;
}

export async function readIdentity(session: Session, sql: string, scale: AgeScale): Promise<TupleIdentity> {
  const [row] = await session.query<TupleIdentity>(sql, [scale.base, scale.bound]);
  if (row === undefined) throw new AppError("unexpected", "read the identity of a range: no row");
  return row;
}

/** The identity of several ranges together: the hash is an exclusive or over tuples. */
export function joinHashes(hashes: readonly string[]): string {
  return String(
    BigInt.asIntN(
      64,
      hashes.reduce((sum, hash) => sum ^ BigInt(hash), 0n),
    ),
  );
}

interface PlanNode {
  readonly "Node Type": string;
  readonly Schema?: string;
  readonly "Relation Name"?: string;
  readonly Filter?: string;
  readonly Output?: readonly string[];
  readonly Plans?: readonly PlanNode[];
}

// As explain.c and ruleutils.c print one.
const COLUMN = /^(?:t\.)?(?:[a-z_][a-z0-9_]*|"(?:[^"]|"")+")$/;

/**
 * Guard G8: whether the server reads by nothing but the tuple ids of this very table, and gives its columns as they are.
 * Anything else in the plan (a hook of an extension, a policy, a mask, a subplan) could bring other rows or values. Returns
 * what is in the plan when not.
 */
export async function findForeignPlan(
  session: Session,
  table: Pick<SourceTable, "schema" | "name">,
  sql: string,
  params: readonly string[],
): Promise<string | undefined> {
  const [row] = await session.query<{ "QUERY PLAN": readonly { readonly Plan: PlanNode }[] }>(
    `explain (verbose, format json) ${sql}`,
    params,
  );
  const top = row?.["QUERY PLAN"][0]?.Plan;
  if (top === undefined) return "no plan";
  const scan = top["Node Type"] === "Aggregate" && top.Plans?.length === 1 ? top.Plans[0] : top;
  if (scan === undefined) return "an empty plan";
  if (scan["Node Type"] !== "Tid Range Scan") return scan["Node Type"];
  if (scan.Schema !== table.schema || scan["Relation Name"] !== table.name) return "another table";
  if (scan.Plans !== undefined) return "a subplan";
  if (scan.Filter !== undefined) return "a filter";
  return scan.Output?.every((value) => COLUMN.test(value)) === false ? "an expression" : undefined;
}
