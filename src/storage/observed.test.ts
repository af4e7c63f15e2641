import { expect, test } from "vitest";
import { faulty } from "../../test/support/faulty-storage.ts";
import { noAbort } from "../../test/support/runtime.ts";
import { storageContract } from "../../test/support/storage-contract.ts";
import { memoryStorage } from "./memory.ts";
import { observed } from "./observed.ts";

const signal = noAbort();

storageContract("observed memory", async () => ({
  storage: observed(memoryStorage(), () => undefined),
  [Symbol.asyncDispose]: async () => undefined,
}));

storageContract("faulty memory without faults", async () => ({
  storage: faulty(memoryStorage(), {}),
  [Symbol.asyncDispose]: async () => undefined,
}));

test("the observer hears of every operation before and after it, of writes only the first", async () => {
  const heard: string[] = [];
  const storage = observed(memoryStorage(), (phase, operation) => void heard.push(`${phase} ${operation}`));
  await using staged = await storage.stage("db/a", signal);
  await staged.write(Buffer.from("1"));
  await staged.write(Buffer.from("2"));
  await staged.finish();
  await staged.publish();
  await storage.delete("db/a", signal);
  expect(heard).toEqual(
    ["stage db/a", "write db/a", "finish db/a", "publish db/a", "delete db/a"].flatMap((operation) => [
      `before storage ${operation}`,
      `after storage ${operation}`,
    ]),
  );
});

test("a failed operation has no after", async () => {
  const heard: string[] = [];
  const storage = observed(memoryStorage(), (phase, operation) => void heard.push(`${phase} ${operation}`));
  await expect(storage.get("nope", signal)).rejects.toMatchObject({ code: "object_missing" });
  expect(heard).toEqual(["before storage get nope"]);
});
