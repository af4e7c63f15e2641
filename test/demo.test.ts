import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCRIPT = join(import.meta.dirname, "../scripts/example-runbook.ts");

test("the demo strikes every disaster and recovers from each, and the runbook that it writes is the one in docs", async () => {
  const { stderr } = await promisify(execFile)(process.execPath, ["--no-warnings", SCRIPT, "--check"], {
    maxBuffer: 16 * 1024 * 1024,
  });
  const times = stderr.slice(stderr.indexOf("The disasters, against their budgets"));
  for (const what of ["Rows are deleted", "server is lost", "cluster is down", "Everything is lost"])
    expect(times).toContain(what);
  expect(stderr.match(/every row is back/g)).toHaveLength(4);
}, 300_000);
