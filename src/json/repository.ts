import { z } from "zod";
import { STORED_KINDS, type StoredKind } from "../repository/survey-stored.ts";
import { FINDING_IDS, FINDING_LEVELS } from "../operations/repository/finding.ts";
import { REPAIR_IDS } from "../operations/repository/repair.ts";
import { BackupJson } from "./common.ts";

/** What `handled repository …` prints with `--json`; the rules are those of `common.ts`. */
const count = z.int().min(0);
const bytes = z.int().min(0);

const KIND_MEANINGS: Readonly<Record<StoredKind, string>> = {
  archives: "Archives of backups",
  parts: "Parts that a snapshot names",
  partLists: "Part lists that a snapshot names",
  manifests: "What describes the backups",
  records: "Proofs and notes of garbage",
  orphans: "Parts, part lists and archives that no index names: garbage, or what a running backup just wrote",
  foreign: "Archives that something else put there",
  control: "Leases and read markers",
  unknown: "What Handled does not know",
};

const stored = (kind: StoredKind) => z.strictObject({ objects: count, bytes }).describe(KIND_MEANINGS[kind]);

const growth = z
  .strictObject({
    bytesPerDay: bytes.describe("What backups write a day; what retention deletes is not subtracted"),
    days: z.number().describe("Days from the first to the last backup that it was taken from"),
  })
  .nullable();

export const UsageJson = z.strictObject({
  places: z.array(
    z.strictObject({
      place: z.string().describe("The repository"),
      storedBytes: bytes.describe("What the databases below take in it"),
      freeBytes: bytes.nullable().describe("What can still be written there; null for a bucket"),
      growth: growth.describe("Of all databases in it; null while there is too little history"),
      daysUntilFull: count
        .nullable()
        .describe(
          "When the disk is full if nothing is deleted meanwhile; 0 also where it is full; null for a bucket, and where the growth is 0 or not known",
        ),
      databases: z.array(
        z.strictObject({
          database: z.string().describe("Name of the database in the repository"),
          storedBytes: bytes.describe("All that lies there of it"),
          stored: z
            .strictObject(
              Object.fromEntries(STORED_KINDS.map((kind) => [kind, stored(kind)])) as Record<
                StoredKind,
                ReturnType<typeof stored>
              >,
            )
            .describe("By what it is"),
          counts: z
            .strictObject({
              archives: count.describe("Archives that can be relied on"),
              snapshots: count.describe("Snapshots that can be relied on"),
              damaged: count.describe("Backups that cannot"),
              foreign: count.describe("Archives that something else put there"),
            })
            .describe("How many backups there are"),
          growth: growth.describe("Null while there is too little history"),
          deduplication: z
            .number()
            .nullable()
            .describe(
              "How often larger its backups would be if they shared nothing; null where there is none",
            ),
          backups: z
            .array(
              BackupJson.extend({
                ownBytes: bytes.describe("What deleting it, and nothing else, frees in the end"),
              }),
            )
            .describe("Newest first; `storedBytes` is what each one added when it was taken"),
          doubts: z
            .array(z.string())
            .describe("What could not be read: it may need what counts as an orphan or as another's own"),
        }),
      ),
    }),
  ),
});
export type UsageJson = z.infer<typeof UsageJson>;

export const CheckJson = z.strictObject({
  places: z.array(
    z.strictObject({
      place: z.string().describe("The repository"),
      encrypted: z.boolean().describe("Whether only an identity opens rows and definitions"),
      databases: z.array(z.string()).describe("The databases that were looked at"),
      backups: count.describe("Backups whose index can be read"),
      objects: count.describe("Parts and part lists that they name"),
      damaged: count.describe("Findings of level `damage`"),
      problems: count.describe("Findings of level `problem`"),
      findings: z.array(
        z.strictObject({
          id: z.enum(FINDING_IDS).describe("What it is; these names stay"),
          level: z
            .enum(FINDING_LEVELS)
            .describe(
              "`damage`: a backup cannot be relied on; `problem`: something is not as it should be; `note`: good to know",
            ),
          database: z.string().nullable().describe("The database it is about; null for the whole repository"),
          backup: z.string().nullable().describe("The backup it is about; null where it is about none"),
          message: z.string().describe("What was found"),
          hint: z.string().nullable().describe("What to do about it; null: nothing"),
          items: z.array(z.string()).describe("The objects it is about, the first of them"),
        }),
      ),
    }),
  ),
});
export type CheckJson = z.infer<typeof CheckJson>;

export const KitJson = z.strictObject({
  printedAt: z.iso.datetime().describe("When it was made"),
  file: z
    .string()
    .nullable()
    .describe("The page that was written; null without `--file`: then there is none"),
  credentials: z.array(z.string()).describe("Variables that the way back needs, beside those of the server"),
  databases: z.array(
    z.strictObject({
      database: z.string().describe("Name of the database in the repository"),
      place: z.string().describe("The repository"),
      recipients: z
        .array(z.string())
        .describe("Public keys that it is sealed to; empty where it is not encrypted"),
      command: z.string().describe("What restores the newest good backup on a machine that has nothing"),
      newest: z
        .strictObject({
          id: z.string().describe("Identity of the newest good backup"),
          snapshotAt: z.iso.datetime().describe("The moment that a restore brings back"),
        })
        .nullable()
        .describe("Null where there is none"),
      provenAt: z.iso.datetime().nullable().describe("When a good backup was last proven; null: never"),
      fault: z.string().nullable().describe("Why the repository could not be read; null where it could"),
    }),
  ),
});
export type KitJson = z.infer<typeof KitJson>;

export const RepairJson = z.strictObject({
  dryRun: z.boolean().describe("Whether nothing was changed"),
  places: z.array(
    z.strictObject({
      place: z.string().describe("The repository"),
      steps: z
        .array(
          z.strictObject({
            id: z.enum(REPAIR_IDS).describe("What it is about; these names stay"),
            database: z.string().nullable().describe("The database; null for the whole repository"),
            message: z.string().describe("What was done, or would be"),
            left: z.boolean().describe("Whether it was left as it is, for the reason in the message"),
          }),
        )
        .describe("Empty when there is nothing to repair"),
    }),
  ),
});
export type RepairJson = z.infer<typeof RepairJson>;
