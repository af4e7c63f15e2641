import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "../../../test/support/strategy.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { checkVariables } from "./application-variables.ts";

test("a variable that a recovery could not change is told before it has to", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, ".env");
  const found = async (text: string | undefined): Promise<string[]> => {
    if (text !== undefined) await writeFile(file, text);
    const outcomes = await checkVariables(
      parse(`version: 1
repositories: { local: { url: /tmp/nowhere } }
application: { stop: a, start: b, envFile: ${file} }
databases:
  shop: { url: "postgresql://h/d", variable: SHOP_URL }
  other: { url: "postgresql://h/e" }
`),
    );
    return outcomes.map(({ level, message }) => `${level}: ${message}`);
  };
  const secret = "postgresql://u:hunter2@h/d";
  expect(await found(undefined)).toEqual([
    `warning: the application's variables: ${file} cannot be read and replaced: ENOENT`,
  ]);
  expect(await found(`A=1\nSHOP_URL="${secret}"\n`)).toEqual([
    `ok: the application's variables are there: SHOP_URL in ${file}`,
  ]);
  expect(await found(`OTHER=${secret}\n`)).toEqual([
    `warning: the application's variables: ${file}: it has no line \`SHOP_URL=…\``,
  ]);
  expect(await found(`SHOP_URL=${secret}\nSHOP_URL=${secret}\n`)).toEqual([
    `warning: the application's variables: ${file}: it has several lines \`SHOP_URL=…\``,
  ]);
  expect(await found("SHOP_URL=\n")).toEqual([`warning: SHOP_URL in ${file} is empty`]);
});
