import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemTimeZone } from "../../config/time-zone.ts";
import { machineTimeZone, requireMachineTimeZone } from "./machine-time-zone.ts";

let etc: string;
beforeEach(async () => {
  etc = await mkdtemp(join(tmpdir(), "handled-etc-"));
});
afterEach(() => rm(etc, { recursive: true }));

test("is where the link leads", async () => {
  await symlink("../usr/share/zoneinfo/America/Argentina/Buenos_Aires", join(etc, "localtime"));
  await writeFile(join(etc, "timezone"), "Europe/Berlin\n");
  expect(await machineTimeZone(etc)).toBe("America/Argentina/Buenos_Aires");
});

test("is the written name where the link is a file", async () => {
  await writeFile(join(etc, "localtime"), "TZif2");
  await writeFile(join(etc, "timezone"), "Europe/Berlin\n");
  expect(await machineTimeZone(etc)).toBe("Europe/Berlin");
});

test("is what the system says where nothing is written", async () => {
  expect(await machineTimeZone(etc)).toBe(systemTimeZone());
});

test("must be the strategy's, under whatever name", async () => {
  await symlink("/usr/share/zoneinfo/Etc/UTC", join(etc, "localtime"));
  await requireMachineTimeZone("UTC", etc);
  await expect(requireMachineTimeZone("Europe/Berlin", etc)).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining("Etc/UTC") as string,
    hint: expect.stringContaining("--systemd") as string,
  });
});
