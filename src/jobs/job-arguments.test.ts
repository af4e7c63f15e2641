import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JobRequest } from "../api/contract/jobs.ts";
import { jobInput, jobWords } from "./job-arguments.ts";

const PATHS = { undoFile: "/state/undo.sql", urlFile: "/state/url.txt" };
const nasty = fc.oneof(
  fc.constantFrom(
    "--yes",
    "-h",
    "--",
    "--config=/etc/passwd",
    "--url",
    "=",
    "a b",
    "$(reboot)",
    "'",
    "ä",
    "\u2028",
  ),
  fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/\p{Cc}/u.test(text)),
);
const backup = "20240101T000000Z-00ff";

const request = fc.oneof(
  fc.record({
    kind: fc.constant("backup"),
    database: nasty,
    options: fc.record({ entry: nasty, fullRead: fc.boolean() }, { requiredKeys: [] }),
  }),
  fc.record({
    kind: fc.constant("restore"),
    database: nasty,
    options: fc.record({
      backup: fc.constantFrom("latest", backup),
      to: fc.constant("new"),
      newDatabase: nasty,
      schemas: fc.array(nasty),
      tables: fc.array(nasty),
    }),
  }),
  fc.record({
    kind: fc.constant("missing-rows"),
    database: nasty,
    options: fc.record({ backup: fc.constant(backup), tables: fc.array(nasty), where: nasty }),
  }),
  fc.record({
    kind: fc.constant("drill"),
    database: nasty,
    options: fc.record({ scenario: fc.constant("data-deleted"), tables: fc.array(nasty), note: nasty }),
  }),
  fc.record({
    kind: fc.constant("recover"),
    database: nasty,
    options: fc.record({
      scenario: fc.constant("together"),
      with: fc.array(nasty),
      where: nasty,
      newDatabase: nasty,
    }),
  }),
  fc.record({ kind: fc.constant("checklist-done"), options: fc.record({ duty: nasty, note: nasty }) }),
);

describe("the command of a job", () => {
  test("has no option but those of the table, whatever is written into the body", () => {
    fc.assert(
      fc.property(request, fc.boolean(), (body, isDry) => {
        const words = jobWords(JobRequest.parse(body), isDry ? undefined : PATHS, "ada");
        const options = words.slice(0, words.indexOf("--")).filter((word) => word.startsWith("-"));
        const known =
          /^--(backup|full-read|new-database|schema|table|missing-rows|undo-file|where|note|by|yes|dry-run)(=|$)/;
        expect(options.filter((word) => !known.test(word))).toEqual([]);
        // What is agreed to is so because somebody confirmed it, never because of a value.
        expect(words.includes("--yes") && isDry && words.indexOf("--yes") < words.indexOf("--")).toBe(false);
        const { database } = body as { readonly database?: string };
        if (database !== undefined) expect(words.slice(words.indexOf("--") + 1)).toContain(database);
      }),
    );
  });

  test.each<[unknown, string]>([
    [{ kind: "prune", database: "data" }, "prune -- data"],
    [
      { kind: "restore", database: "data", options: { to: "swap", tables: ["a.b", "c.d"] } },
      "restore --swap --table=a.b --table=c.d --yes -- data latest",
    ],
    [{ kind: "undo-restore", database: "data" }, "restore --undo --yes -- data"],
    [
      { kind: "missing-rows", database: "data", options: { backup, where: "id = 1" } },
      `restore --missing-rows --undo-file=/state/undo.sql --where=id = 1 --yes -- data ${backup}`,
    ],
    [
      { kind: "provider-restore", database: "data", options: { at: "2024-12-10T14:05:00Z" } },
      "restore --provider --at=2024-12-10T14:05:00Z --url-file=/state/url.txt --yes -- data",
    ],
    [
      {
        kind: "recover",
        database: "data",
        options: { scenario: "server-lost", despiteAssertions: true },
      },
      "recover --despite-assertions --yes -- server-lost data",
    ],
    [
      { kind: "recover", database: "data", options: { scenario: "together", with: ["other"], back: true } },
      "recover --back --yes -- together data other",
    ],
    [
      {
        kind: "recover",
        database: "data",
        options: { scenario: "server-lost", to: [{ database: "data", url: "postgresql://a:geheim@b/c" }] },
      },
      "recover --to=- --yes -- server-lost data",
    ],
    [
      {
        kind: "drill",
        database: "data",
        options: { scenario: "provider-down", from: "provider", at: "2024-12-10T14:05:00Z" },
      },
      "drill --from=provider --at=2024-12-10T14:05:00Z -- provider-down data",
    ],
    [{ kind: "copy", database: "data", options: { to: ["away"] } }, "copy --to=away -- data"],
    [{ kind: "notify-test", options: { channel: "mail" } }, "notify test -- mail"],
    [
      { kind: "checklist-done", options: { duty: "look", note: "all well" } },
      "checklist done --note=all well --by=ada -- look",
    ],
  ])("of %j is %s", (body, command) => {
    expect(jobWords(JobRequest.parse(body), PATHS, "ada").join(" ")).toBe(command);
  });

  test("gets addresses as it reads them: alone, or each with its name", () => {
    const of = (scenario: string): string | undefined =>
      jobInput(
        JobRequest.parse({
          kind: "recover",
          database: "data",
          options: {
            scenario,
            with: ["a=b"],
            to: [
              { database: "data", url: "postgresql://a:geheim@b/c" },
              { database: "a=b", url: "postgresql:///d" },
            ],
          },
        }),
      );
    expect(of("server-lost")).toBe("postgresql://a:geheim@b/c\npostgresql:///d\n");
    expect(of("everything-lost")).toBe("data=postgresql://a:geheim@b/c\na=b=postgresql:///d\n");
    expect(jobInput(JobRequest.parse({ kind: "prune", database: "data" }))).toBeUndefined();
  });

  test.each<[unknown]>([
    [{ kind: "verify", database: "data", options: { level: "content", entry: "weekly" } }],
    [{ kind: "restore", database: "data", options: { to: "swap", newDatabase: "x" } }],
    [{ kind: "restore", database: "data" }],
    [{ kind: "recover", database: "data", options: { scenario: "fire" } }],
    [{ kind: "missing-rows", database: "data", options: { where: "a\u0000b" } }],
    [
      {
        kind: "recover",
        database: "data",
        options: { scenario: "server-lost", to: [{ database: "data", url: "postgresql://a/b\n-" }] },
      },
    ],
    [
      {
        kind: "recover",
        database: "data",
        options: { scenario: "server-lost", to: [{ database: "data", url: "/etc/passwd" }] },
      },
    ],
    [{ kind: "provider-restore", database: "data", options: { at: "yesterday" } }],
  ])("%j is refused", (body) => {
    expect(JobRequest.safeParse(body).success).toBe(false);
  });
});
