import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { encodeHeader, openHeader, parseHeader, type Stanza } from "./header.ts";
import { type Identity, newIdentity, parseIdentity, parseRecipient } from "./keys.ts";
import { CHUNK, PayloadOpener, PayloadSealer, payloadSize, textSize } from "./payload.ts";

const FILE_KEY = randomBytes(16);
const PASSED_OVER: Stanza = { words: ["some-grease", "7", "x"], body: Buffer.alloc(96, 1) };

function seal(text: Buffer, to: readonly Identity[], extra: readonly Stanza[] = []): Buffer {
  const sealer = new PayloadSealer(FILE_KEY);
  const header = encodeHeader(
    FILE_KEY,
    to.map(({ recipient }) => recipient),
    extra,
  );
  return Buffer.concat([header, ...sealer.update(text), ...sealer.end()]);
}

function open(file: Buffer, by: readonly Identity[], piece = file.length): Buffer {
  const header = parseHeader(file);
  if (header === undefined) throw new Error("the header is not whole");
  const fileKey = openHeader(header, by);
  if (fileKey === undefined) throw new Error("no identity opens it");
  const opener = new PayloadOpener(fileKey);
  const text: Buffer[] = [];
  for (let at = header.length; at < file.length; at += piece)
    text.push(...opener.update(file.subarray(at, at + piece)));
  return Buffer.concat([...text, opener.end()]);
}

const nearChunks = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -2, max: 2 }))
  .map(([chunks, more]) => Math.max(0, chunks * CHUNK + more));

describe("keys", () => {
  test("the key of the specification's example", () => {
    const identity = parseIdentity(
      "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",
    );
    expect(identity.recipient.text).toBe("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj");
  });

  test("what age-keygen makes is read, and it reads what we make", async () => {
    await using folder = await temporaryFolder();
    const theirs = execFileSync("age-keygen", { stdio: ["ignore", "pipe", "ignore"] }).toString();
    const identity = parseIdentity(/^AGE-SECRET-KEY-.*$/m.exec(theirs)?.[0] ?? "");
    expect(theirs).toContain(`# public key: ${identity.recipient.text}\n`);
    const file = join(folder.path, "key");
    const ours = newIdentity();
    writeFileSync(file, `${ours.text}\n`);
    expect(execFileSync("age-keygen", ["-y", file]).toString().trim()).toBe(ours.recipient.text);
  });

  test("any mistyped character is found", () => {
    const { text } = newIdentity().recipient;
    for (let at = 4; at < text.length; at++) {
      const other = text[at] === "q" ? "p" : "q";
      expect(() => parseRecipient(text.slice(0, at) + other + text.slice(at + 1))).toThrow(/checksum/);
    }
    expect(() => parseRecipient(text.slice(0, -1))).toThrow(/checksum/);
    expect(() => parseRecipient(`${text}q`)).toThrow(/checksum|last character/);
  });

  test("an identity in the place of a recipient is not repeated in the error", () => {
    const { text } = newIdentity();
    expect(() => parseRecipient(text)).toThrow(/must stay secret/);
    const mistyped = `${text.slice(0, -1)}${text.endsWith("Q") ? "P" : "Q"}`;
    expect(() => parseIdentity(mistyped)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(mistyped) }),
    );
  });
});

describe("files", () => {
  test("are what went in, whatever its length and however it is cut", () => {
    const identity = newIdentity();
    fc.assert(
      fc.property(nearChunks, fc.integer({ min: 1000, max: 100_000 }), (length, piece) => {
        const text = randomBytes(length);
        const file = seal(text, [identity], [PASSED_OVER]);
        expect(open(file, [newIdentity(), identity], piece).equals(text)).toBe(true);
        const payload = file.length - (parseHeader(file)?.length ?? 0);
        expect(payload).toBe(payloadSize(length));
        expect(textSize(payload)).toBe(length);
      }),
      { numRuns: 40 },
    );
  });

  test("no other size than a payload's tells a length", () => {
    for (const size of [0, 1, 31, 32 + CHUNK + 1, 32 + CHUNK + 16]) expect(textSize(size)).toBe(-1);
  });

  test.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])(
    "age and we open each other's: %i bytes",
    async (length) => {
      await using folder = await temporaryFolder();
      const [one, other] = [newIdentity(), newIdentity()];
      const [key, file, plain] = ["key", "file.age", "plain"].map((name) => join(folder.path, name));
      if (key === undefined || file === undefined || plain === undefined) throw new Error("no names");
      writeFileSync(key, `# a comment\n\n${other.text}\n`);
      const text = randomBytes(length);
      writeFileSync(file, seal(text, [one, other], [PASSED_OVER]));
      const decrypted = execFileSync("age", ["-d", "-i", key, file], { maxBuffer: 1 << 24 });
      expect(decrypted.equals(text)).toBe(true);
      writeFileSync(plain, text);
      const recipients = [one, other].flatMap(({ recipient }) => ["-r", recipient.text]);
      const theirs = execFileSync("age", [...recipients, plain], { maxBuffer: 1 << 24 });
      expect(open(theirs, [one]).equals(text)).toBe(true);
      expect(open(theirs, [other]).equals(text)).toBe(true);
    },
  );

  test("one that is sealed to others is not opened", () => {
    const header = parseHeader(seal(Buffer.from("x"), [newIdentity()]));
    expect(header && openHeader(header, [newIdentity(), newIdentity()])).toBeUndefined();
  });

  test("any flipped bit is an error", () => {
    const identity = newIdentity();
    const file = seal(randomBytes(CHUNK + 100), [identity], [PASSED_OVER]);
    const header = parseHeader(file)?.length ?? 0;
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 0, max: header + 40 }), fc.integer({ min: 0, max: file.length - 1 })),
        fc.integer({ min: 0, max: 7 }),
        (at, bit) => {
          const changed = Buffer.from(file);
          changed[at] = (changed[at] ?? 0) ^ (1 << bit);
          expect(() => open(changed, [identity])).toThrow();
        },
      ),
      { numRuns: 300 },
    );
  });

  test("cut short anywhere, also between two chunks, or with anything behind: an error, never less data", () => {
    const identity = newIdentity();
    for (const length of [0, 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 5]) {
      const file = seal(randomBytes(length), [identity]);
      const from = (parseHeader(file)?.length ?? 0) + 16;
      const borders = [1, 2, 3].map((n) => from + n * (CHUNK + 16));
      const cuts = [
        from - 16,
        from - 1,
        from,
        file.length - 1,
        file.length - 16,
        file.length - 17,
        ...borders,
      ];
      for (const cut of cuts.filter((at) => at < file.length))
        expect(() => open(file.subarray(0, cut), [identity]), `${length} cut at ${cut}`).toThrow();
      for (const more of [1, 16, CHUNK + 16])
        expect(() => open(Buffer.concat([file, Buffer.alloc(more)]), [identity])).toThrow();
    }
  });

  test("chunks that change places, and an empty last one, are errors", () => {
    const identity = newIdentity();
    const file = seal(randomBytes(3 * CHUNK), [identity]);
    const from = (parseHeader(file)?.length ?? 0) + 16;
    const chunk = (n: number): Buffer =>
      file.subarray(from + n * (CHUNK + 16), from + (n + 1) * (CHUNK + 16));
    const swapped = Buffer.concat([file.subarray(0, from), chunk(1), chunk(0), chunk(2)]);
    expect(() => open(swapped, [identity])).toThrow(/changed/);
  });
});

test.each([
  ["nothing of age", "PK\u0003\u0004 not an age file\n"],
  ["another version", "age-encryption.org/v2\n-> X25519 x\n"],
  ["no recipient", `age-encryption.org/v1\n--- ${"A".repeat(43)}\n`],
  ["a stanza without a type", "age-encryption.org/v1\n-> \n\n"],
  ["a garbled line", "age-encryption.org/v1\n=> X25519\n"],
])("a header with %s is refused", (_what, text) => {
  expect(() => parseHeader(Buffer.from(text))).toThrow(expect.objectContaining({ code: "backup_damaged" }));
});

test("a header that is not whole yet waits, one that never ends does not", () => {
  const file = seal(Buffer.alloc(0), [newIdentity()]);
  const length = parseHeader(file)?.length ?? 0;
  for (let at = 0; at < length; at++) expect(parseHeader(file.subarray(0, at))).toBeUndefined();
  const endless = Buffer.from(`age-encryption.org/v1\n${"-> grease\n\n".repeat(10_000)}`);
  expect(() => parseHeader(endless)).toThrow(/does not end/);
});
