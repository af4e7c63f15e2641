import { execFile } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { makeRuntime } from "../../lib/runtime.ts";
import { lookAtSources } from "./look-at-sources.ts";

const { signal } = new AbortController();

test("files, folders and patterns are counted and measured; what is not there or cannot be is told apart", async () => {
  await using folder = await temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  await mkdir(at("in/deep"), { recursive: true });
  await mkdir(at("none"));
  await writeFile(at("in/a.csv"), "12345");
  await writeFile(at("in/b.csv"), "678");
  await writeFile(at("in/deep/c.txt"), "9");
  await writeFile(at("odd[1].csv"), "xy");
  await writeFile(at("void.csv"), "");
  await symlink("loop", at("loop"));
  await symlink("in/a.csv", at("link"));
  await promisify(execFile)("mkfifo", [at("pipe")]);
  const look = async (...sources: string[]) =>
    (
      await lookAtSources(
        makeRuntime({ env: process.env }),
        sources.map((source) => ({ source, path: at(source) })),
        signal,
      )
    ).map(({ source, files, bytes, problem }) => [source, files, bytes, problem?.kind ?? "sound"]);

  expect(await look("in/a.csv", "in", "in/*.csv", "in/**/*.txt", "odd[1].csv", "link", "void.csv")).toEqual([
    ["in/a.csv", 1, 5, "sound"],
    ["in", 3, 9, "sound"],
    ["in/*.csv", 2, 8, "sound"],
    ["in/**/*.txt", 1, 1, "sound"],
    ["odd[1].csv", 1, 2, "sound"],
    ["link", 1, 5, "sound"],
    ["void.csv", 1, 0, "sound"],
  ]);
  expect(await look("gone.csv", "in/a.csv/x", "none", "in/*.json", "loop", "pipe")).toEqual([
    ["gone.csv", 0, 0, "missing"],
    ["in/a.csv/x", 0, 0, "missing"],
    ["none", 0, 0, "missing"],
    ["in/*.json", 0, 0, "missing"],
    ["loop", 0, 0, "unreadable"],
    ["pipe", 0, 0, "unreadable"],
  ]);
});

test("of one that says nothing in time nothing is known, and nobody waits", async () => {
  const [found] = await lookAtSources(makeRuntime(), [{ source: "a", path: "/" }], signal, 1);
  expect(found?.problem).toEqual({
    kind: "unreadable",
    reason: "nothing is known of it after 0.001 seconds",
  });
});
