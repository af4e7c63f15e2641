import { expect, test } from "vitest";
import { isTransientKey } from "../storage/transient-keys.ts";
import type { BackupId, PartName } from "./ids.ts";
import {
  begunKey,
  begunRecoveryKey,
  contentKey,
  garbageFolder,
  indexKey,
  leaseKey,
  partKey,
  partListKey,
  proofKey,
  readerKey,
  recoveryKey,
  recoveryNoteKey,
  REPOSITORY_FILE,
  runKey,
  tablesKey,
  unfinishedKey,
} from "./layout.ts";

const id = "20241211T143022Z-7f3a" as BackupId;
const name = `${"ab".repeat(32)}-0123456789abcdef` as PartName;
const databases = ["data", "readers", "records", "backups", "lease.1.json", "system", "my shop"];

test.each(databases)(
  "what is written again or removed soon is never locked, all else is (%s)",
  (database) => {
    const transient = [
      leaseKey(database, 1),
      unfinishedKey(database, id),
      readerKey(database, "token"),
      begunKey(database, "20241211T143022.480Z-0123abcd"),
      begunRecoveryKey(database, "20241211T143022.480Z-0123abcd"),
      `${garbageFolder(database)}looked.json`,
      `${garbageFolder(database)}0d0f.note`,
    ];
    const lasting = [
      REPOSITORY_FILE,
      indexKey(database, id),
      tablesKey(database, id),
      contentKey(database, id),
      partKey(database, name),
      partListKey(database, name),
      proofKey(database, new Date(0), id),
      runKey(database, "20241211T143022.480Z-0123abcd"),
      recoveryKey(database, "20241211T143022.480Z-0123abcd"),
      recoveryNoteKey(database, "20241211T143022.480Z-0123abcd"),
      `${indexKey(database, id).split("/")[0]}/handled_data_20241211_143022.sql.gz`,
    ];
    expect(transient.filter((key) => !isTransientKey(key))).toEqual([]);
    expect(lasting.filter(isTransientKey)).toEqual([]);
  },
);
