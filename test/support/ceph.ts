import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { keptPort } from "./kept-port.ts";

const run = promisify(execFile);

/** An object store of Ceph on this machine: monitor, one disk in memory, gateway. Takes some ten seconds to start. */
export interface ObjectStore {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

const KEYS = { accessKey: "handledtest", secretKey: "handledtestsecret" };

/** With which the program finds the keys in its environment. */
export const KEY_VARIABLES = { AWS_ACCESS_KEY_ID: KEYS.accessKey, AWS_SECRET_ACCESS_KEY: KEYS.secretKey };

// Of each step, within the time of the test that asks for it first.
const START_MS = 100_000;
const ASK_AGAIN_MS = 100;

/** Starts one in a new folder. Its processes end with this one, however it ends, and when it is disposed. */
export async function startCeph(folder: string): Promise<ObjectStore & AsyncDisposable> {
  const [port, monitorPort] = [await keptPort(), await keptPort()];
  const endpoint = `http://127.0.0.1:${port}`;
  const id = crypto.randomUUID();
  const disk = crypto.randomUUID();
  const daemons: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    // In the order in which they need each other, last first; the memory they hold is all there is to lose.
    for (const daemon of daemons.toReversed()) await end(daemon);
    await rm(folder, { recursive: true, force: true });
  };
  const tool = async (program: string, ...args: string[]): Promise<string> =>
    (await run(program, ["--conf", join(folder, "ceph.conf"), ...args], { timeout: START_MS })).stdout;
  const daemon = (program: string, ...args: string[]): void => {
    daemons.push(startDaemon(folder, program, ["--conf", join(folder, "ceph.conf"), ...args]));
  };
  try {
    for (const name of ["run", "mon", "osd", "rgw"]) await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, "ceph.conf"), configuration(folder, { id, port, monitorPort }));
    const keyring = join(folder, "keyring");
    await run("ceph-authtool", [
      "--create-keyring",
      keyring,
      "--gen-key",
      "-n",
      "mon.",
      "--cap",
      "mon",
      "allow *",
    ]);
    await run("ceph-authtool", [keyring, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *"]);
    const map = join(folder, "monmap");
    await run("monmaptool", ["--create", "--fsid", id, "--addv", "a", `[v1:127.0.0.1:${monitorPort}]`, map]);
    await tool("ceph-mon", "--mkfs", "-i", "a", "--monmap", map, "--keyring", keyring);
    daemon("ceph-mon", "-i", "a", "-f");
    // Who greets the monitor too soon is told that this is another cluster. So the disk is announced again, and started
    // again when it gave up.
    await until(async () => (await tool("ceph", "osd", "new", disk, "0")) !== "");
    await tool("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk);
    await until(async () => {
      if (daemons.length === 1 || hasEnded(daemons.at(-1))) daemon("ceph-osd", "-i", "0", "-f");
      // A gateway that makes its pools before there is a disk sometimes waits for ever.
      return (JSON.parse(await tool("ceph", "osd", "stat", "-f", "json")) as DiskState).num_up_osds > 0;
    });
    daemon("radosgw", "-n", "client.rgw.a", "-f");
    // Both make the pools where there are none, and sometimes wait for each other for ever.
    await until(async () => (await fetch(endpoint)).ok);
    const user = ["user", "create", "--uid=test", "--display-name=test"];
    const keys = [`--access-key=${KEYS.accessKey}`, `--secret-key=${KEYS.secretKey}`];
    await tool("radosgw-admin", ...user, ...keys);
    return { endpoint, ...KEYS, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function configuration(
  folder: string,
  { id, port, monitorPort }: { readonly id: string; readonly port: number; readonly monitorPort: number },
): string {
  return `[global]
fsid = ${id}
mon host = v1:127.0.0.1:${monitorPort}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 2
osd pool default pgp num = 2
mon allow pool size one = true
mon warn on pool no redundancy = false
paxos propose interval = 0.05
paxos min wait = 0.01
osd crush chooseleaf type = 0
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = ${folder}/run
log file = ${folder}/$name.log
admin socket = ${folder}/run/$name.asok
mon data = ${folder}/mon
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd memory target = 900000000
keyring = ${folder}/keyring
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw data = ${folder}/rgw
[mon.a]
mon addr = v1:127.0.0.1:${monitorPort}
`;
}

/** The kernel ends it with this process, also one that was killed. */
function startDaemon(folder: string, program: string, args: readonly string[]): ChildProcess {
  const log = openSync(join(folder, `${program}.out`), "a");
  return spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], { stdio: ["ignore", log, log] });
}

function hasEnded(daemon: ChildProcess | undefined): boolean {
  return daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null;
}

async function end(daemon: ChildProcess): Promise<void> {
  if (hasEnded(daemon)) return;
  daemon.kill("SIGKILL");
  await once(daemon, "exit");
}

interface DiskState {
  readonly num_up_osds: number;
}

/** An error is a no until the time is over. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + START_MS; ; await setTimeout(ASK_AGAIN_MS)) {
    try {
      if (await isSo()) return;
      if (performance.now() > end) throw new Error("the object store does not become ready");
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}
