import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { isAppError } from "../errors.ts";
import { environmentText, withVariables } from "./environment-file.ts";

test("a shell and Node read every connection string alike, as it was given", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "handled.env");
  const piece = fc.constantFrom(
    "a",
    "'",
    '"',
    "$",
    "`",
    "\\",
    "#",
    " ",
    "!",
    "%",
    "=",
    "&",
    "é",
    "$HOME",
    "\\n",
  );
  const value = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
  await fc.assert(
    fc.asyncProperty(value, fc.boolean(), async (password, asUrl) => {
      const given = asUrl ? `postgresql://ada:${password}@db/data` : `host=db password=${password}`;
      let text: string;
      try {
        text = environmentText({ X_URL: given });
      } catch (error) {
        expect(isAppError(error, "usage") && !asUrl).toBe(true);
        return;
      }
      await writeFile(file, text);
      const shell = spawnSync("sh", ["-c", `set -a; . ${file}; printf %s "$X_URL"`], { env: {} });
      const expected = asUrl ? given.replaceAll("'", "%27") : given;
      expect(shell.stdout.toString()).toBe(expected);
      expect(parseEnv(text)["X_URL"]).toBe(expected);
    }),
    { numRuns: 60 },
  );
});

test("what nothing can quote is refused, and not shown", () => {
  expect(() => environmentText({ X_URL: `host=db password='a"hunter22'` })).toThrow(
    "write handled.env: the value of X_URL has quotes or control characters",
  );
});

test("variables of the same name are replaced, everything else stays", () => {
  const text = "# mine\nOTHER=1\nexport DATA_URL=old\nDATA_URL_2='x'\nlast=no newline";
  expect(withVariables(text, { DATA_URL: "service=data" })).toBe(
    "# mine\nOTHER=1\nDATA_URL_2='x'\nlast=no newline\nDATA_URL='service=data'\n",
  );
  expect(withVariables("", { A: "b" })).toBe("A='b'\n");
});
