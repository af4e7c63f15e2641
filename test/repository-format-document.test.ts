import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { z } from "zod";
import { UsersFile } from "../src/access/users-file.ts";
import {
  BackupContent,
  BackupIndex,
  GarbageNoteHeader,
  LeaseFile,
  ReadMarkFile,
  RepositoryFile,
  TableLine,
  UnfinishedMark,
} from "../src/repository/manifest.ts";
import { PartListHeader, PartRange } from "../src/repository/part-list-lines.ts";
import { DutyFile } from "../src/repository/duty-file.ts";
import { AlertsFile } from "../src/repository/alerts-file.ts";
import { ProofFile } from "../src/repository/proof-file.ts";
import { RecoveryFile, RecoveryNoteFile } from "../src/repository/recovery-file.ts";
import { ProviderRestoreFile } from "../src/repository/provider-restore-file.ts";
import { RunFile } from "../src/repository/run-file.ts";

const DOCUMENT = join(import.meta.dirname, "../docs/design/repository-format.md");

const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  "repository.json": RepositoryFile,
  index: BackupIndex,
  tables: TableLine,
  content: BackupContent,
  unfinished: UnfinishedMark,
  lease: LeaseFile,
  "part-list-header": PartListHeader,
  "part-range": PartRange,
  reader: ReadMarkFile,
  "garbage-note": GarbageNoteHeader,
  proof: ProofFile,
  users: UsersFile,
  run: RunFile,
  duty: DutyFile,
  recovery: RecoveryFile,
  "recovery-note": RecoveryNoteFile,
  "provider-restore": ProviderRestoreFile,
  alerts: AlertsFile,
};

test("the examples in the document are objects the program reads", async () => {
  const text = await readFile(DOCUMENT, "utf8");
  const examples = [...text.matchAll(/^```json (\S+)\n([\s\S]*?)^```$/gm)];
  expect(new Set(examples.map(([, name]) => name))).toEqual(new Set(Object.keys(SCHEMAS)));
  for (const [, name = "", json = ""] of examples) {
    const value: unknown = JSON.parse(json);
    // Equal, and not only accepted: a key with a default would be accepted without being shown.
    expect(SCHEMAS[name]?.parse(value), name).toEqual(value);
  }
});
