import fc from "fast-check";
import { expect, test } from "vitest";
import { statusOf } from "../../test/support/database-status.ts";
import { parsePrometheus } from "../../test/support/prometheus-text.ts";
import { finding } from "./finding.ts";
import { healthMetrics } from "./metrics.ts";

const LOOK = { at: new Date("2024-12-11T14:30:00Z"), tookMs: 1500 };

test("names may hold whatever PostgreSQL allows", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.string({ unit: "binary", minLength: 1 }), { minLength: 1, maxLength: 4 }),
      async (names) => {
        const databases = ['a"b\\c\nd', "\\n", ...names.filter((name) => name !== "\\n")].map((name) =>
          statusOf(name),
        );
        const scrape = parsePrometheus(await healthMetrics({ healthy: true, databases, findings: [] }, LOOK));
        for (const { database } of databases)
          expect(scrape.value("handled_objective_rpo_seconds", { database })).toBe(86_400);
      },
    ),
    { numRuns: 5 },
  );
});

test("what is not known has no sample, which is not zero", async () => {
  const unknown = statusOf("data", {
    known: false,
    healthy: false,
    backups: 0,
    storedBytes: 0,
    lastProofAt: null,
  });
  const health = { healthy: false, databases: [unknown], findings: [] };
  const { value, samples } = parsePrometheus(await healthMetrics(health, LOOK));
  expect(value("handled_database_known", { database: "data" })).toBe(0);
  expect(value("handled_look_timestamp_seconds")).toBe(LOOK.at.getTime() / 1000);
  expect(samples.map(({ name }) => name)).toEqual([
    "handled_look_timestamp_seconds",
    "handled_look_duration_seconds",
    "handled_healthy",
    "handled_database_healthy",
    "handled_database_known",
    "handled_objective_rpo_seconds",
  ]);
});

test("findings are counted, and their words stay out", async () => {
  const of = { database: "data", criticality: "critical" } as const;
  const secret = { message: "connect to postgresql://me:secret@host/data", hint: null };
  const findings = [
    finding("table-shrunk", of, { ...secret, subject: "public.a" }),
    finding("table-shrunk", of, { ...secret, subject: "public.b" }),
  ];
  const health = {
    healthy: false,
    databases: [statusOf("data", { findings })],
    findings: [finding("repository-full", { database: null, criticality: null }, secret)],
  };
  const text = await healthMetrics(health, LOOK);
  const { value } = parsePrometheus(text);
  expect(value("handled_findings", { database: "data", id: "table-shrunk", severity: "critical" })).toBe(2);
  expect(value("handled_findings", { database: "", id: "repository-full", severity: "warning" })).toBe(1);
  expect(text).not.toMatch(/secret|public/);
});
