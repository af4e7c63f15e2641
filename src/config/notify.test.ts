import { describe, expect, test } from "vitest";
import { FULL_STRATEGY, parse, problemsOf } from "../../test/support/strategy.ts";
import { reviewStrategy } from "./review.ts";

const HOUR = 3_600_000;
const STRATEGY = `${FULL_STRATEGY}notify:
  channels:
    mail:
      kind: email
      url: smtps://ops:\${SMTP_PASSWORD}@mail.example.org:465
      from: handled@example.org
      to: [ops@example.org]
    chat: { kind: slack, url: "\${SLACK_URL}" }
    pager: { kind: webhook, url: https://pager.example.org/alerts, secret: "\${PAGER_SECRET}" }
    alive: { kind: ping, url: "https://hc-ping.com/\${PING_ID}", database: primary, backup: nightly }
  routes:
    - { severity: critical, channels: [pager] }
    - { databases: [primary], channels: [mail, chat] }
  reminders: [12h, 7d]
  digest: "0 7 * * 1"
`;

test("channels, routes, reminders and digest as they are written; secrets are not looked up", () => {
  const { notify } = parse(STRATEGY);
  expect(notify?.channels.map(({ kind, name }) => [kind, name])).toEqual([
    ["email", "mail"],
    ["slack", "chat"],
    ["webhook", "pager"],
    ["ping", "alive"],
  ]);
  expect(notify?.channels[0]).toMatchObject({
    url: { text: "smtps://ops:${SMTP_PASSWORD}@mail.example.org:465" },
    from: "handled@example.org",
    to: ["ops@example.org"],
  });
  expect(notify?.channels[3]).toMatchObject({ database: "primary", backup: "nightly" });
  expect(notify?.routes).toEqual([
    { severity: "critical", databases: undefined, channels: ["pager"] },
    { severity: "notice", databases: ["primary"], channels: ["mail", "chat"] },
  ]);
  expect(notify).toMatchObject({ remindersMs: [12 * HOUR, 168 * HOUR], digest: "0 7 * * 1" });
});

test("without more than a channel everything is told, reminded of after one, two, four and seven days, and summed up on Mondays", () => {
  const { notify } = parse(`${FULL_STRATEGY}notify: { channels: { chat: { kind: slack, url: "\${X}" } } }\n`);
  const days = [1, 2, 4, 7].map((day) => day * 24 * HOUR);
  expect(notify).toMatchObject({ routes: [], remindersMs: days, digest: "0 8 * * 1" });
});

describe("refused, with the place", () => {
  test.each([
    ["kind: email", "kind: mail", "must be `email`, `slack`, `webhook` or `ping`"],
    [
      "      from: handled@example.org\n",
      "",
      "missing key `from` in notify.channels.mail: `kind: email` needs it",
    ],
    [', secret: "${PAGER_SECRET}"', "", "missing key `secret` in notify.channels.pager"],
    [
      "kind: slack,",
      "kind: slack, to: [x@example.org],",
      "notify.channels.chat.to is nothing that `kind: slack` has",
    ],
    ["smtps://ops:", "https://ops:", "notify.channels.mail.url must begin with `smtps://` or `smtp://`"],
    ["https://pager", "ftp://pager", "notify.channels.pager.url must begin with `https://` or `http://`"],
    [
      "database: primary, backup",
      "database: primry, backup",
      "`primry`, which is not under databases; did you mean `primary`?",
    ],
    [
      "backup: nightly",
      "backup: nightli",
      "`nightli`, which is not under the backups of primary; did you mean `nightly`?",
    ],
    [
      "channels: [pager]",
      "channels: [pagr]",
      "`pagr`, which is not under notify.channels; did you mean `pager`?",
    ],
    ["channels: [pager]", "channels: [alive]", "notify.routes[0].channels[0] names `alive`, which is a ping"],
    ["databases: [primary]", "databases: [secondary]", "`secondary`, which is not under databases"],
    ["[12h, 7d]", "[]", "notify.reminders must not be an empty list"],
    ['"0 7 * * 1"', "weekly", "needs the five fields of cron"],
    ["    mail:\n", "    my mail:\n", "must be a short name of letters"],
  ])("%s → %s", (search, replacement, message) => {
    const at = STRATEGY.indexOf("notify:");
    const notify = STRATEGY.slice(at);
    expect(notify).toContain(search);
    const problems = problemsOf(STRATEGY.slice(0, at) + notify.replace(search, () => replacement));
    expect(problems.map((one) => one.message).join("\n")).toContain(message);
  });
});

test("a secret in the file is told, whatever kind of channel it opens", () => {
  const open = STRATEGY.replace("${SMTP_PASSWORD}", "hunter2")
    .replace("${SLACK_URL}", "https://hooks.slack.com/services/T0/B0/x")
    .replace("${PAGER_SECRET}", "whsec")
    .replace("${PING_ID}", "uuid");
  const warned = (text: string): string[] =>
    reviewStrategy(parse(text), new Date(0)).filter((line) => line.startsWith("the secret of channel"));
  expect(warned(open).map((line) => line.split(" ")[4])).toEqual(["mail", "chat", "pager", "alive"]);
  expect(warned(STRATEGY)).toEqual([]);
});
