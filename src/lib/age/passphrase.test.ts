import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { newIdentity } from "./keys.ts";
import { isAgeFile, openByPassphrase } from "./passphrase.ts";

/** `age -p` reads from a terminal alone: `script` gives it one. */
function protect(folder: string, text: string, passphrase: string): Buffer {
  const [plain, sealed] = [join(folder, "plain"), join(folder, "sealed")];
  writeFileSync(plain, text);
  execFileSync("script", ["-qec", `age -p -o ${sealed} ${plain}`, "/dev/null"], {
    input: `${passphrase}\n${passphrase}\n`,
    stdio: ["pipe", "pipe", "pipe"],
  });
  return readFileSync(sealed);
}

test("what `age -p` protects is opened by its passphrase and no other, as bytes and as text", async () => {
  await using folder = await temporaryFolder();
  const text = `# a comment\n${newIdentity().text}\n`;
  const sealed = protect(folder.path, text, "correct horse");
  expect(isAgeFile(sealed)).toBe(true);
  expect(openByPassphrase(sealed, "correct horse").toString()).toBe(text);
  expect(() => openByPassphrase(sealed, "wrong horse")).toThrow(
    expect.objectContaining({ code: "wrong_key" }),
  );
  const lines = sealed.toString("base64").match(/.{1,64}/g) ?? [];
  const armored = [
    "-----BEGIN AGE ENCRYPTED FILE-----",
    ...lines,
    "-----END AGE ENCRYPTED FILE-----",
    "",
  ].join("\n");
  expect(isAgeFile(Buffer.from(armored))).toBe(true);
  expect(openByPassphrase(Buffer.from(armored), "correct horse").toString()).toBe(text);
  expect(() => openByPassphrase(Buffer.from(armored.slice(0, -40)), "correct horse")).toThrow(
    /cut or changed/,
  );
});

test("a file that is sealed to a key is none", async () => {
  await using folder = await temporaryFolder();
  const plain = join(folder.path, "x");
  writeFileSync(plain, "x");
  const sealed = execFileSync("age", ["-r", newIdentity().recipient.text, plain]);
  expect(() => openByPassphrase(sealed, "any")).toThrow(/sealed to a key/);
  expect(isAgeFile(Buffer.from("AGE-SECRET-KEY-1"))).toBe(false);
});
