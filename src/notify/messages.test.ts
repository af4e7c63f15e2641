import { expect, test } from "vitest";
import type { Alert, Finding } from "./alerts.ts";
import { alertNotice } from "./messages.ts";

const NOW = new Date("2024-12-11T08:00:00.000Z");

function alert(severity: Finding["severity"], message: string, parts: Partial<Finding & Alert> = {}): Alert {
  const { hint = null, evidence = {}, ...more } = parts;
  const finding = { id: "x", database: "data", subject: message, severity, message, evidence, hint };
  return {
    finding,
    openedAt: NOW.toISOString(),
    goneSince: null,
    closedAt: null,
    returns: 0,
    told: {},
    ...more,
  };
}

const nothing = { channel: "mail", opened: [], worse: [], reminded: [], closed: [] };
const context = { database: "data", host: "backup-1", now: NOW };

test("a message leads with the worst, and says evidence and what to type", () => {
  const { subject, text, severity } = alertNotice(
    {
      ...nothing,
      opened: [
        alert("warning", "two tables vanished"),
        alert("critical", "no proven backup for 9 days", {
          evidence: { dataAtRisk: "216 h", rpo: "24 h", newestProof: null },
          hint: "`handled verify data`",
        }),
      ],
      reminded: [alert("notice", "a client is old", { openedAt: "2024-12-09T08:00:00.000Z" })],
      closed: [
        alert("warning", "spaces cannot be read", {
          openedAt: "2024-12-11T02:00:00.000Z",
          goneSince: "2024-12-11T05:30:00.000Z",
          closedAt: "2024-12-11T05:40:00.000Z",
        }),
      ],
    },
    context,
  );
  expect(subject).toBe("data: no proven backup for 9 days (and 1 more)");
  expect(severity).toBe("critical");
  expect(text).toBe(`data: 4 findings: 2 new, 1 still open, 1 over.

NEW
- critical: no proven backup for 9 days
  data at risk: 216 h · rpo: 24 h · newest proof: unknown
  what to do: \`handled verify data\`
- warning: two tables vanished

STILL OPEN
- notice: a client is old
  known for 2 d

OVER
- spaces cannot be read
  it lasted 3 h 30 min

-- 
Sent by handled on backup-1. \`handled status data\` shows how things stand now.
`);
});

test("reminders and what is over say so in the subject; what concerns no database names the machine", () => {
  const old = alert("warning", "disk is full");
  expect(alertNotice({ ...nothing, reminded: [old] }, context).subject).toBe("data: still: disk is full");
  const over = alertNotice({ ...nothing, closed: [old] }, { ...context, database: null });
  expect(over.subject).toBe("handled on backup-1: over: disk is full");
  expect(over.severity).toBe("notice");
});

test("a subject is one line of a bearable length, nothing moves the cursor, and a flood is cut off", () => {
  const flood = Array.from({ length: 500 }, (_, n) =>
    alert("warning", `table ${n}\u001b[2J\r\n${"x".repeat(300)}`),
  );
  const { subject, text, html } = alertNotice({ ...nothing, opened: flood }, context);
  expect(subject).toMatch(/^data: table 0 \[2J x+…$/);
  expect(subject.length).toBe(150);
  expect(text).toContain("- and 470 more");
  expect(text.length).toBeLessThan(12_000);
  expect(text + html).not.toMatch(/[^\P{Cc}\n]/u);
});

test("HTML shows what a message says as it is, and what to type as code", () => {
  const { html } = alertNotice(
    { ...nothing, opened: [alert("warning", '<img src="x"> & more', { hint: "`a <b>`" })] },
    context,
  );
  expect(html).toContain("&lt;img src=&quot;x&quot;&gt; &amp; more");
  expect(html).toContain("<code>a &lt;b&gt;</code>");
  expect(html).not.toContain("<img");
});
