import { truncate } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { sampleRepository } from "../../../test/support/sample-repository.ts";
import { indexKey } from "../../repository/layout.ts";
import { findSource } from "./source.ts";

const [OLD, DAMAGED] = ["20241211T143022Z-ffff", "20241211T143022Z-0000"];

test("of two backups of the same second the damaged one counts as the later, whatever their ids end in", async () => {
  await using there = await sampleRepository([{ id: OLD }, { id: DAMAGED }]);
  const damaged = there.backups.find(({ id }) => id === DAMAGED) ?? expect.fail("it is not there");
  await truncate(join(there.place, indexKey("shop", damaged.id)), 100);
  const { storage } = there.repository;
  const request = { storage, database: "shop", which: DAMAGED, operation: "restore" } as const;
  await expect(findSource(testRuntime(), request, noAbort())).rejects.toMatchObject({
    code: "backup_damaged",
    hint: expect.stringContaining(`\`handled restore shop ${OLD}\``),
  });
});
