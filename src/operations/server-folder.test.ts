import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeRuntime } from "../lib/runtime.ts";
import { describeHolder } from "../repository/holder.ts";
import { makeServerFolder, removeServerFolder } from "./server-folder.ts";

test("what still works in a folder whose process was killed is ended with it; what works elsewhere goes on", async () => {
  const parent = await mkdtemp(join(tmpdir(), "handled-servers-"));
  const left = join(parent, "handled-demo-left");
  await mkdir(left);
  const runtime = makeRuntime({ env: { TMPDIR: parent } });
  const { signal } = new AbortController();
  const inside = spawn("sleep", ["60"], { env: { ...process.env, TMPDIR: left } });
  const outside = spawn("sleep", ["60"], { env: { ...process.env, TMPDIR: parent } });
  try {
    const ended = once(inside, "close");
    await Promise.all([once(inside, "spawn"), once(outside, "spawn")]);
    const self = await describeHolder("demo");
    await writeFile(join(left, "owner.json"), JSON.stringify(self));
    await makeServerFolder(runtime, "demo", signal);
    await access(left);
    expect(inside.signalCode, "its owner lives").toBeNull();

    // Our pid was another process's then.
    await writeFile(join(left, "owner.json"), JSON.stringify({ ...self, processStart: "0" }));
    await makeServerFolder(runtime, "demo", signal);
    expect(await ended).toEqual([null, "SIGKILL"]);
    await expect(access(left)).rejects.toMatchObject({ code: "ENOENT" });
    expect(outside.signalCode).toBeNull();
  } finally {
    inside.kill("SIGKILL");
    outside.kill("SIGKILL");
    await rm(parent, { recursive: true });
  }
});

test("what still works in a folder that its own process removes is ended first, though it goes on writing", async () => {
  const parent = await mkdtemp(join(tmpdir(), "handled-servers-"));
  const { signal } = new AbortController();
  const runtime = makeRuntime({ env: { TMPDIR: parent } });
  const folder = await makeServerFolder(runtime, "demo", signal);
  const busy = spawn("sh", ["-c", "while :; do mkdir -p a/b; : > a/b/$((n += 1)); done"], {
    cwd: folder,
    env: { ...process.env, TMPDIR: folder },
  });
  try {
    const ended = once(busy, "close");
    await once(busy, "spawn");
    await removeServerFolder(runtime, folder, signal);
    expect(await ended).toEqual([null, "SIGKILL"]);
    await expect(access(folder)).rejects.toMatchObject({ code: "ENOENT" });
  } finally {
    busy.kill("SIGKILL");
    await rm(parent, { recursive: true });
  }
});
