import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { describeHolder, stateOfHolder } from "./holder.ts";

test("this process is alive and says who it is", async () => {
  const self = await describeHolder("backup");
  expect(self).toMatchObject({ pid: process.pid, operation: "backup" });
  expect(self.host).not.toBe("");
  expect(self.user).not.toBe("");
  expect(await stateOfHolder(self, self)).toBe("alive");
});

test("a killed child whose parent has not taken notice is dead", async () => {
  // `sh` starts the inner program and stops itself, so that nobody reaps the child.
  const shell = spawn("sh", ["-c", "sleep 60 & echo $!; kill -STOP $$"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const pid = Number(
      await new Promise<string>((resolve) =>
        shell.stdout.once("data", (data: Buffer) => resolve(data.toString())),
      ),
    );
    const self = await describeHolder("backup");
    const start = (await readFile(`/proc/${pid}/stat`, "utf8")).split(" ")[21] ?? "";
    const holder = { ...self, pid, processStart: start };
    expect(await stateOfHolder(holder, self)).toBe("alive");
    process.kill(pid, "SIGKILL");
    await expect.poll(() => stateOfHolder(holder, self)).toBe("dead");
    expect(await readFile(`/proc/${pid}/stat`, "utf8")).toContain(" Z ");
  } finally {
    shell.kill("SIGKILL");
  }
});

test("a reused pid is another process, and a foreign machine's pid means nothing", async () => {
  const self = await describeHolder("backup");
  expect(await stateOfHolder({ ...self, processStart: "1" }, self)).toBe("dead");
  expect(await stateOfHolder({ ...self, processStart: null }, self)).toBe("alive");
  expect(await stateOfHolder({ ...self, pid: 2 ** 22 - 1 }, self)).toBe("dead");
  expect(await stateOfHolder({ ...self, bootId: "other" }, self)).toBe("unknown");
  expect(await stateOfHolder({ ...self, pidNamespace: "pid:[1]" }, self)).toBe("unknown");
  const macos = { ...self, bootId: null, pidNamespace: null, processStart: null };
  expect(await stateOfHolder(macos, macos)).toBe("unknown");
});
