import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadStrategy } from "../src/config/load.ts";
import { makeRuntime } from "../src/lib/runtime.ts";
import { freshDatabase } from "./support/postgres.ts";
import { noAbort } from "./support/runtime.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { CTRL_C, DOWN, ENTER, SPACE, type Step, typeInto } from "./support/terminal.ts";

const REST: Step[] = [
  ["How badly would its loss hurt?", ENTER],
  ["The most data, as time", ENTER],
  ["The longest outage", ENTER],
  ["Kind of its backups", ENTER],
  ["Format of its backups", ENTER],
  ["When to back it up", ENTER],
  ["How many days", ENTER],
];
const END: Step[] = [
  ["Another database?", ENTER],
  ["Folder for the backups", `${"\b".repeat(40)}/var/tmp/backups${ENTER}`],
  ["Time zone", ENTER],
  ["Is there an application", ENTER],
  ["Whom to call", ENTER],
];

const load = async (folder: string) =>
  await loadStrategy(makeRuntime(), join(folder, "handled.yaml"), noAbort());

describe("handled init in a terminal", () => {
  test("asks, proposes the schemas that the server has, and writes what was answered", async () => {
    await using database = await freshDatabase({ sql: "create schema config; create schema workspace" });
    await using folder = await temporaryFolder();
    const result = await typeInto(
      ["init"],
      [
        ["Connection string", `${database.url}${ENTER}`],
        ["Its password", ENTER],
        ["Its name", ENTER],
        // config, public and workspace are chosen at first; this leaves public out.
        ["Schemas to protect", `${DOWN}${SPACE}${ENTER}`],
        ...REST,
        ...END,
      ],
      { cwd: folder.path },
    );
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain("connected to ");
    expect(result.stdout).toContain("✓ wrote ");
    expect((await load(folder.path)).databases).toMatchObject([
      {
        name: database.name,
        schemas: ["config", "workspace"],
        criticality: "medium",
        backups: [{ format: "plain", schedule: "0 2 * * *", keep: { days: 14 } }],
      },
    ]);
    expect(await readFile(join(folder.path, "handled.yaml"), "utf8")).toContain("url: /var/tmp/backups");
  });

  test("goes on without a server; a password is asked for and not shown", async () => {
    await using folder = await temporaryFolder();
    const result = await typeInto(
      ["init"],
      [
        ["Connection string", `postgresql://ada@127.0.0.1:1/app${ENTER}`],
        ["Its password", `hunter22 !${ENTER}`],
        ["Its name", ENTER],
        ["going on without", ""],
        ["Schemas to protect", `config, customer${ENTER}`],
        ...REST,
        ...END,
      ],
      { cwd: folder.path },
    );
    expect(result.code).toBe(0);
    expect(result.stdout).not.toContain("hunter22");
    expect(await readdir(folder.path)).toEqual(["handled.env", "handled.schema.json", "handled.yaml"]);
    expect(await readFile(join(folder.path, "handled.env"), "utf8")).toBe(
      "APP_DATABASE_URL='postgresql://ada:hunter22%20!@127.0.0.1:1/app'\n",
    );
    expect((await load(folder.path)).databases).toMatchObject([
      { name: "app", schemas: ["config", "customer"] },
    ]);
  });

  test("a snapshot has no format, and is proposed every hour", async () => {
    await using folder = await temporaryFolder();
    const result = await typeInto(
      ["init"],
      [
        ["Connection string", `service=data${ENTER}`],
        ["Its name", `data${ENTER}`],
        ["Schemas to protect", ENTER],
        ...REST.slice(0, 3),
        ["Kind of its backups", `${DOWN}${ENTER}`],
        ...REST.slice(-2),
        ...END,
      ],
      { cwd: folder.path },
    );
    expect(result).toMatchObject({ code: 0 });
    const [database] = (await load(folder.path)).databases;
    expect(database?.backups).toMatchObject([
      {
        name: "regular",
        kind: "snapshot",
        format: undefined,
        schedule: "0 * * * *",
        keep: { days: 14, min: 3 },
      },
    ]);
  });

  test("an application's .env is asked for, and the variable in it is proposed", async () => {
    await using folder = await temporaryFolder();
    const result = await typeInto(
      ["init", "--database", "data=postgresql://db/data", "--timezone", "UTC", "--contact", "Ada, on call"],
      [
        ["Folder for the backups", `${"\b".repeat(40)}/var/tmp/backups${ENTER}`],
        ["Is there an application", `y`],
        ["Command that stops it", `stop${ENTER}`],
        ["Command that starts it", `start${ENTER}`],
        ["Address that answers", ENTER],
        ["Command that restarts it", ENTER],
        ["Its `.env`", `shop/.env${ENTER}`],
        ["with the URL of data", ENTER],
      ],
      { cwd: folder.path },
    );
    expect(result).toMatchObject({ code: 0 });
    expect((await load(folder.path)).databases).toMatchObject([
      {
        variable: "DATA_DATABASE_URL",
        application: { restart: undefined, envFile: join(folder.path, "shop/.env") },
      },
    ]);
  });

  test("cancelling writes nothing", async () => {
    await using folder = await temporaryFolder();
    const result = await typeInto(["init"], [["Connection string", CTRL_C]], { cwd: folder.path });
    expect(result.code).toBe(2);
    expect(result.stdout).toContain("handled: write a strategy: the questions were cancelled");
    expect(result.stdout).toContain("hint: nothing was changed");
    expect(await readdir(folder.path)).toEqual([]);
  });
});
