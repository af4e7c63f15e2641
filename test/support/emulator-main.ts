import { startEmulator } from "../../src/demo/digitalocean/emulator.ts";
import { ask, NEW_CLUSTER } from "./emulator.ts";
import { noAbort, testRuntime } from "./runtime.ts";

// An emulated service with one cluster, in a process that a test kills. It prints the cluster's URL once it is online.

const runtime = testRuntime({ env: { TMPDIR: process.env["TMPDIR"] } });
const emulator = await startEmulator(runtime, { firstBackup: false }, noAbort());
const { body } = await ask(emulator, "POST", "/v2/databases", { ...NEW_CLUSTER, name: "shop" });
await emulator.settled("shop");
const online = await ask(emulator, "GET", `/v2/databases/${body.database.id}`);
process.stdout.write(`${online.body.database.connection.uri}\n`);
