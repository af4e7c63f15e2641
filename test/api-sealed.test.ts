import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DiffJson } from "../src/json/look.ts";
import { asUser } from "./support/api-access.ts";
import { jsonOf } from "./support/cli.ts";
import { type Sealed, sealedBackups } from "./support/sealed-backups.ts";
import { serve } from "./support/serve.ts";

// What the API tells of an encrypted repository on machines that cannot open what is in it.

let shop: Sealed;
let folder: string;
let path: string;

beforeAll(async () => {
  shop = await sealedBackups("create table item as select generate_series(1, 100) as id");
  folder = dirname(shop.repository);
  const kind = ["--kind", "snapshot", "--jobs", "1"];
  const { id: first } = await shop.backup(kind);
  await shop.live.query("insert into item values (101)");
  const { id: second } = await shop.backup(kind);
  path = `/api/databases/${shop.live.name}/diff?first=${String(first)}&second=${String(second)}`;
  await writeFile(
    join(folder, "handled.yaml"),
    `version: 1
repositories: { local: { url: repository, recipients: [${shop.owner.recipient}] } }
databases: { ${shop.live.name}: { url: "${shop.live.url}", backups: [{ name: nightly, kind: snapshot }] } }
`,
  );
});
afterAll(async () => await shop[Symbol.asyncDispose]());

/** Asks a daemon whose home this is. */
async function ask(home: string): Promise<{ readonly status: number; readonly body: unknown }> {
  const env = { HOME: home, XDG_CONFIG_HOME: "", HANDLED_IDENTITY: "" };
  await using served = serve(folder, { env });
  const headers = await asUser(folder, "viewer", { env });
  const answer = await fetch(`${await served.url()}${path}`, { headers });
  return { status: answer.status, body: await answer.json() };
}

test("two backups are compared on the host that takes them, and what is sealed is named as not compared", async () => {
  const { status, body } = await ask(shop.home);
  expect(status).toBe(200);
  const diff = DiffJson.parse(body);
  expect(diff).toMatchObject({
    equal: false,
    tables: [{ name: "item", first: { rows: 100 }, second: { rows: 101 }, same: false, ranges: null }],
    sequences: [],
    definitions: null,
    notCompared: [
      {
        what: "definitions, sequences, settings and privileges",
        reason: "they are sealed, and no identity is here that opens them",
      },
    ],
  });
  // With the identity, there is all the rest.
  const [first, second] = [diff.first.id ?? "", diff.second.id ?? ""];
  const whole = await shop.person("diff", [shop.live.name, first, second, "--json"]);
  expect(DiffJson.parse(jsonOf(whole))).toMatchObject({
    equal: false,
    notCompared: [],
    tables: [{ same: false }],
  });
});

test("a machine with no key at all is told so, and what to do", async () => {
  const { status, body } = await ask(join(folder, "another home"));
  expect([status, body]).toMatchObject([403, { error: { code: "wrong_key" } }]);
  const { error } = body as { error: { message: string; hint: string } };
  expect(error.message).toMatch(/it is encrypted, and no key is known here: there is no .*host\.key$/);
  expect(error.hint).toContain(`give the identity of ${shop.owner.recipient} with \`--identity FILE\``);
});
