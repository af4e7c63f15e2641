import { expect, test } from "vitest";
import { indexKey } from "../../repository/layout.ts";
import { BackupId } from "../../repository/manifest.ts";
import { noAbort } from "../../../test/support/runtime.ts";
import { sampleRepository } from "../../../test/support/sample-repository.ts";
import { findCandidate } from "./find.ts";

test("the latest is the one that was taken last, also of those that began in the same second", async () => {
  const second = "20241211T143022Z";
  await using sample = await sampleRepository([
    { id: `${second}-ffff`, snapshotAt: "2024-12-11T14:30:22.100Z" },
    { id: `${second}-0001`, snapshotAt: "2024-12-11T14:30:22.9Z" },
    { id: `${second}-8000`, snapshotAt: "2024-12-11T14:30:22.5Z" },
  ]);
  const latest = async () => (await findCandidate(sample.repository, "shop", "latest", noAbort())).id;
  expect(await latest()).toBe(`${second}-0001`);
  // Whose index is gone may have been the last: it does not hide behind one that is sound.
  await sample.repository.storage.delete(indexKey("shop", BackupId.parse(`${second}-8000`)), noAbort());
  expect(await latest()).toBe(`${second}-8000`);
});
