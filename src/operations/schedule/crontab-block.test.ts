import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { linesOfBlock, withBlock, withoutBlock } from "./crontab-block.ts";

const STRATEGY = "/etc/handled/handled.yaml";
const LINES = ["0 2 * * * /usr/bin/node run", "0 3 * * * /usr/bin/node über"];

/** Bytes as they may stand in anybody's crontab: ordinary lines, broken ones, other strategies' blocks, noise. */
const foreign = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "MAILTO=ops@example.org\n",
        "SHELL=/bin/bash\r\n",
        "# m h  dom mon dow   command\n",
        "*/5 * * * * /usr/bin/true # BEGIN handled\n",
        "# BEGIN handled /srv/other.yaml\n0 1 * * * x\n# END handled /srv/other.yaml\n",
        `# BEGIN handled ${STRATEGY}.old\n`,
        ` # END handled ${STRATEGY}\n`,
        "\n",
        "\r\n",
        "\r",
        "0 0 * * * last line",
      ),
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
    ),
    { maxLength: 8 },
  )
  .map((pieces) => pieces.join(""));

describe("foreign bytes", () => {
  test("survive installing twice and removing", () => {
    fc.assert(
      fc.property(foreign, (before) => {
        const once = withBlock(before, STRATEGY, LINES);
        const twice = withBlock(once, STRATEGY, LINES);
        expect(twice).toBe(once);
        expect(linesOfBlock(once, STRATEGY)).toEqual(LINES);
        expect(once.endsWith(before)).toBe(true);
        expect(withoutBlock(once, STRATEGY)).toBe(before);
      }),
      { numRuns: 2000 },
    );
  });

  test("survive a change of the block wherever it stands", () => {
    fc.assert(
      fc.property(foreign, foreign, (above, below) => {
        // Our marks stand on lines of their own.
        const head = above === "" || above.endsWith("\n") ? above : `${above}\n`;
        const old = head + withBlock(below, STRATEGY, ["1 1 1 1 * old"]);
        const changed = withBlock(old, STRATEGY, LINES);
        expect(linesOfBlock(changed, STRATEGY)).toEqual(LINES);
        expect(changed.startsWith(head)).toBe(true);
        expect(changed.endsWith(below)).toBe(true);
        expect(withoutBlock(changed, STRATEGY)).toBe(head + below);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("the block", () => {
  test("reads as what it is", () => {
    expect(withBlock("0 1 * * * mine\n", STRATEGY, ["0 2 * * * run"])).toBe(
      `# BEGIN handled ${STRATEGY}\n0 2 * * * run\n# END handled ${STRATEGY}\n0 1 * * * mine\n`,
    );
  });

  test("of one strategy is not that of another", () => {
    const both = withBlock(withBlock("", "/a.yaml", ["0 1 * * * a"]), "/b.yaml", ["0 2 * * * b"]);
    expect(linesOfBlock(both, "/a.yaml")).toEqual(["0 1 * * * a"]);
    expect(linesOfBlock(withoutBlock(both, "/a.yaml"), "/b.yaml")).toEqual(["0 2 * * * b"]);
    expect(linesOfBlock(both, "/c.yaml")).toBeUndefined();
  });

  test("is found after an editor has made its line ends `\\r\\n`, and gets its own back", () => {
    const windows = withBlock("0 1 * * * mine\n", STRATEGY, LINES).replaceAll("\n", "\r\n");
    const mended = withBlock(windows, STRATEGY, LINES);
    expect(mended).toBe(withBlock("0 1 * * * mine\r\n", STRATEGY, LINES));
  });

  test("that somebody has copied is there once again after the next installation", () => {
    const block = withBlock("", STRATEGY, LINES);
    expect(withBlock(`a\n${block}b\n${block}c\n`, STRATEGY, LINES)).toBe(`a\n${block}b\nc\n`);
    expect(withoutBlock(`a\n${block}b\n${block}c\n`, STRATEGY)).toBe("a\nb\nc\n");
  });

  test.each([
    ["no end", `# BEGIN handled ${STRATEGY}\n0 1 * * * somebody's job\n`],
    ["no beginning", `0 1 * * * somebody's job\n# END handled ${STRATEGY}\n`],
    [
      "two beginnings",
      `# BEGIN handled ${STRATEGY}\n# BEGIN handled ${STRATEGY}\n# END handled ${STRATEGY}\n`,
    ],
  ])("with %s is never guessed at", (_, crontab) => {
    for (const edit of [withoutBlock, linesOfBlock, (text: string) => withBlock(text, STRATEGY, LINES)]) {
      expect(() => edit(crontab, STRATEGY)).toThrow(expect.objectContaining({ code: "usage" }));
    }
  });
});
