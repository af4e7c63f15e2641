import { execFile } from "node:child_process";
import { chmod, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv, promisify } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inMountNamespace } from "../../test/support/mounts.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { findKept, switchBack, switchVariable } from "./env-file.ts";
import { envWithValue } from "../lib/env-text.ts";

const NAME = "PRIMARY_DATABASE_URL";
const NEW = "postgresql://app:p%23w@db.example:5433/primary?sslmode=require";

test.each([
  [`A=1\n${NAME}=old\nB=2`, `A=1\n${NAME}=${NEW}\nB=2`],
  [`A=1\r\nexport ${NAME} = "old" # live\r\n`, `A=1\r\nexport ${NAME} = "${NEW}" # live\r\n`],
  [
    `# ${NAME}=no\nX="a\n${NAME}=no\nb"\n${NAME}='old'`,
    `# ${NAME}=no\nX="a\n${NAME}=no\nb"\n${NAME}='${NEW}'`,
  ],
  [`${NAME}=\nB=2\n`, `${NAME}=${NEW}\nB=2\n`],
])("one value changes, all else stays: %j", (before, after) => {
  expect(envWithValue(before, NAME, NEW, ".env")).toBe(after);
});

test("a missing line and two of them are refused, with what to do", () => {
  expect(() => envWithValue(`X${NAME}=1\n`, NAME, NEW, ".env")).toThrow(/has no line/);
  expect(() => envWithValue(`${NAME}=1\n${NAME}=2\n`, NAME, NEW, ".env")).toThrow(/several lines/);
});

test("every byte outside of the value stays, and Node reads the new one", () => {
  const other = fc.constantFrom("# note # é\xff", "A=1", "export B='x y'", 'C="two\nlines"', "", "  ", "D=");
  const others = fc.array(other, { maxLength: 4 });
  const secret = fc.string({ unit: fc.constantFrom(...Array.from("ab$#'\" \\`%é@:/")) });
  const line = fc.record({
    prefix: fc.constantFrom("", "export ", "  "),
    quote: fc.constantFrom("", "'", '"', "`"),
    comment: fc.constantFrom("", " # live"),
    newline: fc.constantFrom("\n", "\r\n"),
    last: fc.boolean(),
  });
  fc.assert(
    fc.property(
      others,
      others,
      secret,
      line,
      (above, below, password, { prefix, quote, comment, newline, last }) => {
        const value = `postgresql://app:${password}@h/db`;
        const start = [...above, `${prefix}${NAME}=`].join("\n").replaceAll("\n", newline);
        const rest = [comment, ...below].join("\n").replaceAll("\n", newline) + (last ? newline : "");
        let changed: string;
        try {
          changed = envWithValue(`${start}${quote}old${quote}${rest}`, NAME, value, ".env");
        } catch {
          // Nothing quotes a text that has every kind of quote.
          expect(password).toMatch(/['"`]/);
          return;
        }
        expect(changed.startsWith(start)).toBe(true);
        expect(changed.endsWith(rest)).toBe(true);
        expect(parseEnv(Buffer.from(changed, "latin1").toString("utf8"))[NAME]).toBe(value);
      },
    ),
  );
});

test("the file behind a link is replaced with its mode, the old one is kept, and a second time changes nothing", async () => {
  await using folder = await temporaryFolder();
  const real = join(folder.path, "real.env");
  const linked = join(folder.path, ".env");
  await writeFile(real, `${NAME}=old\n`);
  await chmod(real, 0o640);
  await symlink(real, linked);
  const { kept } = await switchVariable(linked, NAME, NEW, "20241211_143022");
  expect(kept).toBe(`${real}.before_20241211_143022`);
  expect(await readFile(linked, "utf8")).toBe(`${NAME}=${NEW}\n`);
  expect(await readFile(`${real}.before_20241211_143022`, "utf8")).toBe(`${NAME}=old\n`);
  expect((await stat(real)).mode & 0o777).toBe(0o640);
  expect(await switchVariable(linked, NAME, NEW, "20241211_143023")).toEqual({ path: real, kept: undefined });
  expect((await readdir(folder.path)).toSorted()).toEqual([
    ".env",
    "real.env",
    "real.env.before_20241211_143022",
  ]);
});

test("the way back brings the old value, and leaves what else was changed since", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, ".env");
  await writeFile(file, `${NAME}='old#1'\nA=1\n`);
  const { kept } = await switchVariable(file, NAME, NEW, "20241211_143022");
  await writeFile(file, (await readFile(file, "utf8")).replace("A=1", "A=2"));
  await switchBack(file, NAME, kept ?? "", "20241211_143100");
  expect(await readFile(file, "utf8")).toBe(`${NAME}='old#1'\nA=2\n`);
  // What is changed again within the same second goes back to what was there then, not to what the way back has kept.
  await switchVariable(file, NAME, "newer", "20241211_143100");
  const again = await findKept(file, NAME, "20241211_143100");
  await switchBack(file, NAME, again?.path ?? "", "20241211_143200");
  expect(await readFile(file, "utf8")).toBe(`${NAME}='old#1'\nA=2\n`);
});

test("on a full disk the file is as it was, and nothing is left beside it", async () => {
  await using folder = await temporaryFolder();
  const program = `import { switchVariable } from ${JSON.stringify(join(import.meta.dirname, "env-file.ts"))};
    await switchVariable(".env", "${NAME}", "${NEW}", "now").catch((error) => console.log(error.code));`;
  const script = `mount -t tmpfs -o size=64k tmpfs "$1" && cd "$1" && echo ${NAME}=old > .env && { head -c 200000 /dev/zero > filler 2>/dev/null; "$2" --input-type=module -e "$3"; ls -A; cat .env; }`;
  const [unshare = "", ...args] = inMountNamespace(script);
  const { stdout } = await promisify(execFile)(unshare, [...args, folder.path, process.execPath, program]);
  expect(stdout).toBe(`space_missing\n.env\nfiller\n${NAME}=old\n`);
});
