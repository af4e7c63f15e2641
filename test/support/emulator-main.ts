import { startEmulator } from "../../src/demo/digitalocean/emulator.ts";
import { noAbort, testRuntime } from "./runtime.ts";

// An emulated service with one cluster, in a process that a test kills. It prints the cluster's URL once it is online.

const runtime = testRuntime({ env: { TMPDIR: process.env["TMPDIR"] } });
const emulator = await startEmulator(runtime, { firstBackup: false }, noAbort());
const { url } = await emulator.makeCluster("shop");
process.stdout.write(`${url}\n`);
