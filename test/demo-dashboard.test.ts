import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, readdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { OverviewJson } from "../src/api/contract/answers.ts";
import { PASSWORD } from "./support/api-access.ts";
import { buildDashboard } from "./support/browser.ts";
import { builtProgram } from "./support/built-program.ts";
import { cliEnvironment } from "./support/cli.ts";
import { temporaryFolder } from "./support/postgres.ts";

/** Command lines of the processes that work in a folder. */
async function processesIn(folder: string): Promise<string[]> {
  const found = await Promise.all(
    (await readdir("/proc")).map(async (pid) => {
      if (!/^\d+$/.test(pid)) return "";
      // One that ends meanwhile is none.
      return await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    }),
  );
  return found.filter((words) => words.includes(folder)).map((words) => words.replaceAll("\0", " "));
}

test("the demo ends on the dashboard, which says that all could be brought back; Ctrl-C leaves nothing", async () => {
  const built = buildDashboard();
  await using folder = await temporaryFolder();
  // Servers that root starts run as another user.
  await chmod(folder.path, 0o711);
  const demo = spawn(process.execPath, [builtProgram("main"), "demo", "--quick"], {
    env: cliEnvironment({ TMPDIR: folder.path }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(demo, "close");
  let told = "";
  demo.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
  try {
    // Nothing but the link is on standard output.
    const [link] = (await Promise.race([
      once(createInterface({ input: demo.stdout }), "line"),
      closed.then(() => [told]),
    ])) as [string];
    expect(link).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/set-up#\S+$/);
    expect(told).toContain("until you press Ctrl-C");
    const { origin, hash } = new URL(link);

    await built;
    const page = await fetch(`${origin}/`);
    expect(page.status).toBe(200);
    const made = await fetch(`${origin}/api/set-up`, {
      method: "POST",
      headers: { "content-type": "application/json", origin },
      body: JSON.stringify({ token: hash.slice(1), name: "ada", password: PASSWORD }),
    });
    expect(made.status).toBe(200);
    const cookie = made.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    const overview = OverviewJson.parse(
      await (await fetch(`${origin}/api/overview`, { headers: { cookie } })).json(),
    );
    expect(overview.healthy, JSON.stringify(overview)).toBe(true);
    for (const database of ["primary", "data"]) {
      const found = overview.databases.find((one) => one.database === database);
      expect(found, database).toMatchObject({ healthy: true, provenPoint: { at: expect.any(String) } });
    }
  } finally {
    demo.kill("SIGINT");
    const [code] = (await closed) as [number | null];
    expect(code, told).toBe(0);
  }
  expect(await readdir(folder.path)).toEqual([]);
  expect(await processesIn(folder.path)).toEqual([]);
}, 300_000);
