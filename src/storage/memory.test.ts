import { storageContract } from "../../test/support/storage-contract.ts";
import { memoryStorage } from "./memory.ts";

storageContract("memory", async () => ({
  storage: memoryStorage(),
  [Symbol.asyncDispose]: async () => undefined,
}));
