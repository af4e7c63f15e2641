import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Certificates, makeCertificates } from "../../test/support/certificates.ts";
import { httpReceiver } from "../../test/support/http-receiver.ts";
import { mailServer } from "../../test/support/mail-server.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { temporaryFolder, type TemporaryFolder } from "../../test/support/temporary-folder.ts";
import type {
  EmailChannel,
  MessageChannel,
  PingChannel,
  SlackChannel,
  WebhookChannel,
} from "../config/notify.ts";
import type { Clock } from "../lib/clock.ts";
import { type Delivery, deliver, deliverPing } from "./deliver.ts";
import { noticeOf } from "./page.ts";

const NOTICE = noticeOf({
  subject: "data: no proven backup for 9 days",
  severity: "critical",
  opening: "data: 1 finding: 1 new.",
  sections: [
    {
      title: "New",
      items: [{ headline: "critical: <b> & co", lines: ["what to do: `handled verify data`"] }],
    },
  ],
  closing: "Sent by handled on host.",
  event: { event: "alert", database: "data" },
});

const template = (text: string) => ({ text, where: "handled.yaml:1:1" });
const email = (url: string, to = ["ops@example.com"]): EmailChannel => {
  return { kind: "email", name: "mail", url: template(url), from: "Handled <handled@example.com>", to };
};
const slack = (url: string): SlackChannel => ({ kind: "slack", name: "chat", url: template(url) });
const webhook = (url: string): WebhookChannel => {
  return { kind: "webhook", name: "hook", url: template(url), secret: template("${HOOK_SECRET}") };
};
const ping = (url: string): PingChannel => {
  return { kind: "ping", name: "alive", url: template(url), database: "data", backup: undefined };
};

const ENV = { SMTP_PASSWORD: "p@ss/w:rd", HOOK_SECRET: "whsec_0123456789" };

/** Sends with a clock that goes on as fast as it can: pauses between tries take no time. */
async function send(channel: MessageChannel, clock: Clock = impatient()): Promise<Delivery> {
  return await deliver(testRuntime({ env: ENV, clock }), channel, NOTICE, noAbort());
}

/** Waits of less than the timeout of an attempt end at once, the others never. */
function impatient(): Clock & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    now: () => new Date("2024-12-11T08:00:00.000Z"),
    monotonic: () => 0,
    waits,
    wait: (ms) => {
      waits.push(ms);
      return ms < 20_000 ? Promise.resolve() : new Promise(() => undefined);
    },
  };
}

let folder: TemporaryFolder;
let certificates: Certificates;
let tls: { key: string; cert: string };
beforeAll(async () => {
  folder = await temporaryFolder();
  certificates = await makeCertificates(folder.path);
  tls = { key: certificates.files["server.key"], cert: certificates.files["server.crt"] };
});
afterAll(async () => await folder[Symbol.asyncDispose]());

/** As NODE_EXTRA_CA_CERTS does for a process. */
function trustingAuthority(): Disposable {
  const before = getCACertificates("default");
  setDefaultCACertificates([...before, readFileSync(certificates.authority, "utf8")]);
  return { [Symbol.dispose]: () => setDefaultCACertificates(before) };
}

describe("mail", () => {
  test("arrives as text and HTML, marked as sent by a program, at everybody", async () => {
    await using server = await mailServer();
    const to = ["ops@example.com", "Ada <ada@example.com>"];
    expect(await send(email(`smtp://127.0.0.1:${server.port}`, to))).toMatchObject({
      error: undefined,
      attempts: 1,
    });
    const [{ mail, recipients }] = server.arrived as [(typeof server.arrived)[number]];
    expect(recipients).toEqual(["ops@example.com", "ada@example.com"]);
    expect(mail.subject).toBe("data: no proven backup for 9 days");
    expect(mail.from).toMatchObject({ address: "handled@example.com", name: "Handled" });
    expect(mail.text).toContain("NEW\n- critical: <b> & co\n  what to do: `handled verify data`");
    expect(mail.html).toContain("critical: &lt;b&gt; &amp; co");
    expect(mail.html).toContain("<code>handled verify data</code>");
    const header = (name: string) => mail.headers.find(({ key }) => key === name)?.value;
    expect(header("auto-submitted")).toBe("auto-generated");
    expect(header("x-priority")).toMatch(/^1/);
  });

  test.each([
    ["smtp", "later"],
    ["smtps", "now"],
  ] as const)("with a password goes over TLS: %s", async (scheme, when) => {
    const login = { user: "ops", password: ENV.SMTP_PASSWORD };
    await using server = await mailServer({ login, tls: { ...tls, when } });
    using _trust = trustingAuthority();
    const url = `${scheme}://ops:\${SMTP_PASSWORD}@localhost:${server.port}`;
    expect((await send(email(url))).error).toBeUndefined();
    expect(server.arrived).toMatchObject([{ user: "ops", encrypted: true }]);
  });

  test("no password is told to a server that cannot encrypt", async () => {
    const login = { user: "ops", password: ENV.SMTP_PASSWORD };
    await using server = await mailServer({ login });
    const { error, attempts } = await send(email(`smtp://ops:\${SMTP_PASSWORD}@localhost:${server.port}`));
    expect(error).toMatchObject({
      code: "channel_refused",
      message: expect.stringContaining("offers no encryption"),
    });
    expect(attempts).toBe(1);
    expect(server.arrived).toEqual([]);
  });

  test("nor to one whose certificate nobody trusts", async () => {
    const login = { user: "ops", password: ENV.SMTP_PASSWORD };
    await using server = await mailServer({ login, tls: { ...tls, when: "later" } });
    const { error } = await send(email(`smtp://ops:\${SMTP_PASSWORD}@localhost:${server.port}`));
    expect(error).toMatchObject({
      code: "channel_refused",
      message: expect.stringContaining("certificate is not trusted"),
      hint: expect.stringContaining("NODE_EXTRA_CA_CERTS"),
    });
    expect(server.arrived).toEqual([]);
  });

  test("with a wrong password is not tried again, and the password is not told", async () => {
    await using server = await mailServer({
      login: { user: "ops", password: "other" },
      tls: { ...tls, when: "later" },
    });
    using _trust = trustingAuthority();
    const { error, attempts } = await send(email(`smtp://ops:\${SMTP_PASSWORD}@localhost:${server.port}`));
    expect(error).toMatchObject({
      code: "channel_refused",
      message: expect.stringContaining("refuses the login of ops"),
    });
    expect(JSON.stringify(error)).not.toContain(ENV.SMTP_PASSWORD);
    expect(attempts).toBe(1);
  });

  test("that a server takes for some only arrives, with a remark", async () => {
    await using server = await mailServer({
      refuse: (address) =>
        address.startsWith("gone") ? { status: 550, message: "no such user" } : undefined,
    });
    const there = email(`smtp://127.0.0.1:${server.port}`, ["ops@example.com", "gone@example.com"]);
    expect(await send(there)).toMatchObject({
      error: undefined,
      remark: expect.stringContaining("gone@example.com"),
    });
    const none = await send(email(`smtp://127.0.0.1:${server.port}`, ["gone@example.com"]));
    expect(none.error).toMatchObject({
      code: "channel_refused",
      message: expect.stringContaining("no such user"),
    });
  });

  test("is tried again where the server is busy", async () => {
    let tries = 0;
    await using server = await mailServer({
      refuse: () => (++tries < 3 ? { status: 451, message: "come back later" } : undefined),
    });
    expect(await send(email(`smtp://127.0.0.1:${server.port}`))).toMatchObject({
      error: undefined,
      attempts: 3,
    });
    expect(server.arrived).toHaveLength(1);
  });

  test("to a server that never answers ends after its time", async () => {
    const sockets: import("node:net").Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address() as { port: number };
    const clock = manualClock();
    const sending = send(email(`smtp://127.0.0.1:${address.port}`), clock);
    for (const [attempt, pause] of [3000, 15_000, 0].entries()) {
      await clock.pending(1);
      // By the clock here no time passes until it is connected.
      await expect.poll(() => sockets.length).toBe(attempt + 1);
      await clock.advance(20_000);
      if (pause > 0) {
        await clock.pending(1);
        await clock.advance(pause);
      }
    }
    expect(await sending).toMatchObject({
      attempts: 3,
      durationMs: 78_000,
      error: { code: "channel_unreachable", message: "send to mail: no answer within 20.0 s" },
    });
    // What is given up does not linger, to arrive after all.
    await expect.poll(() => sockets.length === 3 && sockets.every((socket) => socket.destroyed)).toBe(true);
    server.close();
  });

  test("to nobody there is refused, and says where", async () => {
    const { error, attempts } = await send(email("smtp://127.0.0.1:1"));
    expect(error?.message).toContain("send to mail: 127.0.0.1:1: connect ECONNREFUSED");
    expect(attempts).toBe(3);
  });
});

describe("chat and webhooks", () => {
  test("chat gets one text, with what has a meaning there escaped", async () => {
    await using server = await httpReceiver();
    expect((await send(slack(`${server.url}/services/T0/B0/xyz`))).error).toBeUndefined();
    const [request] = server.requests;
    expect(request).toMatchObject({ method: "POST", path: "/services/T0/B0/xyz" });
    const { text } = JSON.parse(request?.body ?? "") as { text: string };
    expect(text).toMatch(/^\*data: no proven backup for 9 days\*\n/);
    expect(text).toContain("&lt;b&gt; &amp; co");
  });

  test("a webhook gets the event, signed with its time", async () => {
    await using server = await httpReceiver();
    expect((await send(webhook(`${server.url}/alerts`))).error).toBeUndefined();
    const [{ body, headers }] = server.requests as [(typeof server.requests)[number]];
    expect(JSON.parse(body)).toMatchObject({
      event: "alert",
      database: "data",
      severity: "critical",
      subject: "data: no proven backup for 9 days",
    });
    const [, t = "", v1 = ""] =
      /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["handled-signature"])) ?? [];
    expect(Number(t)).toBe(Date.parse("2024-12-11T08:00:00.000Z") / 1000);
    expect(v1).toBe(createHmac("sha256", ENV.HOOK_SECRET).update(`${t}.${body}`).digest("hex"));
  });

  test("is tried again after a 500, and when it is told to wait", async () => {
    const limited = { status: 429, headers: { "retry-after": "7" } };
    await using server = await httpReceiver((_, number) => [500, limited, 200][number - 1] ?? 500);
    const clock = impatient();
    expect(await send(webhook(server.url), clock)).toMatchObject({ error: undefined, attempts: 3 });
    expect(clock.waits.filter((ms) => ms < 20_000)).toEqual([3000, 15_000]);
    const [first, second] = server.requests;
    expect(first?.body).toBe(second?.body);
  });

  test.each([
    [500, "channel_unreachable", 3],
    [404, "channel_refused", 1],
    [302, "channel_refused", 1],
  ] as const)("answered with %s it has not arrived", async (status, code, attempts) => {
    await using server = await httpReceiver(() => {
      return { status, headers: { location: "/elsewhere" }, body: "no_service\u001b[2J" };
    });
    const result = await send(slack(`${server.url}/services/T0/B0/secretsecret`));
    expect(result).toMatchObject({ attempts, error: { code } });
    expect(result.error?.message).toContain(`answered ${status}: no_service`);
    expect(result.error?.message).not.toMatch(/\p{Cc}|secretsecret/u);
    expect(server.requests.every(({ path }) => path.startsWith("/services"))).toBe(true);
  });

  test("a server that never answers ends after its time", async () => {
    await using server = await httpReceiver(() => "silence");
    const clock = manualClock();
    const runtime = testRuntime({ env: ENV, clock });
    const sending = deliverPing(runtime, ping(`${server.url}/uuid`), "start", "", noAbort());
    for (const ms of [10_000, 2000, 10_000]) {
      await clock.pending(1);
      await clock.advance(ms);
    }
    expect(await sending).toMatchObject({
      attempts: 2,
      durationMs: 22_000,
      error: { code: "channel_unreachable" },
    });
  });

  test("a certificate that nobody trusts is told as such, and what to do", async () => {
    await using server = await httpReceiver(() => 200, tls);
    const url = server.url.replace("127.0.0.1", "localhost");
    const { error, attempts } = await send(slack(url));
    expect(error).toMatchObject({
      code: "channel_refused",
      message: expect.stringContaining("certificate is not trusted"),
    });
    expect(attempts).toBe(1);
    using _trust = trustingAuthority();
    expect((await send(slack(url))).error).toBeUndefined();
  });

  test("an address that is none, and a variable that is not set, are told as such", async () => {
    expect((await send(slack("ftp://example.com"))).error?.message).toContain("no https:// or http:// URL");
    expect((await send(slack("${NOWHERE}"))).error?.message).toContain("`NOWHERE`, which is not set");
    expect((await send(email("https://example.com"))).error?.message).toContain("no smtps:// or smtp:// URL");
  });

  test("an abort is thrown, not told as a failure", async () => {
    await using server = await httpReceiver(() => "silence");
    const stop = new AbortController();
    const sending = deliver(testRuntime({ env: ENV }), slack(server.url), NOTICE, stop.signal);
    await expect.poll(() => server.requests.length).toBe(1);
    stop.abort(new Error("stopped"));
    await expect(sending).rejects.toThrow("stopped");
  });
});

test("a ping calls its address as it is for success, and with a word after its path otherwise", async () => {
  await using server = await httpReceiver();
  const runtime = testRuntime({ env: ENV });
  for (const event of ["start", "success", "fail", "log"] as const)
    await deliverPing(
      runtime,
      ping(`${server.url}/ping/uuid/?create=1`),
      event,
      `words of ${event}`,
      noAbort(),
    );
  expect(server.requests.map(({ path }) => path)).toEqual([
    "/ping/uuid/start?create=1",
    "/ping/uuid?create=1",
    "/ping/uuid/fail?create=1",
    "/ping/uuid/log?create=1",
  ]);
  expect(server.requests[2]?.body).toBe("words of fail");
});
