import { AppError } from "../../errors.ts";
import { quoteIdentifier, quoteLiteral } from "../../postgres/quoting.ts";
import type { SnapshotContent, SnapshotTable } from "../../repository/manifest.ts";
import { copyRows } from "./copy-text.ts";
import { openRows, type StoredRows } from "./export-rows.ts";
import { holdsContents } from "./large-objects.ts";
import { describingStatements, type LargeObjectFacts } from "./large-objects-statements.ts";

export interface LargeObjectsText extends StoredRows {
  readonly content: SnapshotContent;
}

type Field = string | null;

/** The statements that make the large objects and fill them. Names in them are in no encoding but ASCII. */
export async function* fillLargeObjectsText(
  request: LargeObjectsText,
  objects: readonly SnapshotTable[],
  signal: AbortSignal,
): AsyncGenerator<string> {
  for await (const [oid] of rowsOf(request, objects.find(isFacts), signal)) {
    yield `SELECT pg_catalog.lo_create(${text(oid)});\n`;
  }
  for await (const [oid, offset, data] of rowsOf(request, objects.find(holdsContents), signal)) {
    yield `SELECT pg_catalog.lo_put(${text(oid)}, ${text(offset)}, '${text(data)}');\n`;
  }
}

/** The statements that give them comments, labels, owners and privileges, in the encoding of the database. */
export async function* describeLargeObjectsText(
  request: LargeObjectsText,
  objects: readonly SnapshotTable[],
  signal: AbortSignal,
): AsyncGenerator<Buffer | string> {
  if (objects.length === 0) return;
  yield `SET client_encoding = ${quoteLiteral(request.content.database.encoding)};\n`;
  for await (const row of rowsOf(request, objects.find(isFacts), signal)) {
    const facts = factsOf(row);
    // The owner is the grantor where nobody else is named.
    const statements = describingStatements(facts, false, WHATEVER, (role) =>
      role === facts.owner
        ? ["", ""]
        : [`SET SESSION AUTHORIZATION ${quoteIdentifier(role)}`, "RESET SESSION AUTHORIZATION"],
    );
    const lines = statements.filter((statement) => statement !== "").map((statement) => `${statement};\n`);
    yield Buffer.from(lines.join(""), "latin1");
  }
}

const WHATEVER = { otherRoles: new Set<string>(), leave: (): void => {} };

const isFacts = (table: SnapshotTable): boolean => !holdsContents(table);

function factsOf([oid, owner, grants, comment, labels]: readonly Field[]): LargeObjectFacts {
  return {
    oid: text(oid),
    owner: text(owner),
    grants: grants == null ? null : (JSON.parse(grants) as LargeObjectFacts["grants"]),
    comment: comment ?? null,
    labels: labels == null ? null : (JSON.parse(labels) as LargeObjectFacts["labels"]),
  };
}

function text(field: Field | undefined): string {
  if (typeof field === "string") return field;
  throw new AppError("backup_damaged", "read a large object's row: a value is missing");
}

async function* rowsOf(
  request: LargeObjectsText,
  table: SnapshotTable | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly Field[]> {
  const rows = table === undefined ? undefined : await openRows(request, table, signal);
  if (rows !== undefined) yield* copyRows(rows.text);
}
