import { join } from "node:path";
import { httpReceiver } from "./http-receiver.ts";
import { identityIn } from "./keys.ts";
import { noAbort, testRuntime } from "./runtime.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import type { Notify } from "../../src/config/notify.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { openOrCreateRepository } from "../../src/repository/repository.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Finding } from "../../src/notify/alerts.ts";
import { notifyFindings, type NotifyReport } from "../../src/notify/notify-findings.ts";

const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const START = Date.parse("2024-12-09T00:00:00.000Z");

/** A clock that is set, and whose pauses end at once; the timeout of an attempt never comes. */
function setClock(): Clock & { at: number } {
  const clock = {
    at: 0,
    now: () => new Date(START + clock.at),
    monotonic: () => clock.at,
    wait: async (ms: number): Promise<void> => {
      if (ms >= 20_000) await new Promise(() => undefined);
    },
  };
  return clock;
}

export function finding(
  database: string | null,
  subject: string,
  severity: Finding["severity"] = "critical",
): Finding {
  const message = `${subject} is wrong`;
  return {
    id: "test",
    database,
    subject,
    severity,
    message,
    evidence: { age: "9 d" },
    hint: "`handled backup`",
  };
}

interface Said {
  readonly at: number;
  readonly channel: string;
  readonly subject: string;
  readonly text: string;
}

/** A strategy with two channels of one server, a repository with something of `data`, and a clock. */
export async function office({
  up = () => true,
  sealed = false,
}: {
  up?: (channel: string, at: number) => boolean;
  sealed?: boolean;
} = {}) {
  const folder = await temporaryFolder();
  const clock = setClock();
  const said: Said[] = [];
  const server = await httpReceiver(({ path, body }) => {
    const channel = path.slice(1);
    if (!up(channel, clock.at)) return 500;
    const { subject, text } = JSON.parse(body) as { subject?: string; text: string };
    said.push({ at: clock.at, channel, text, subject: subject ?? /^\*(.*)\*\n/.exec(text)?.[1] ?? "" });
    return 200;
  });
  const template = (text: string) => ({ text, where: "" });
  const notify: Notify = {
    channels: [
      { kind: "slack", name: "chat", url: template(`${server.url}/chat`) },
      {
        kind: "webhook",
        name: "hook",
        url: template(`${server.url}/hook`),
        secret: template("a secret key"),
      },
    ],
    routes: [],
    remindersMs: [DAY, 2 * DAY, 4 * DAY, 7 * DAY],
    watch: "*/15 * * * *",
    digest: "0 8 * * 1",
  };
  const env = { XDG_STATE_HOME: join(folder.path, "state") };
  const runtime = testRuntime({ clock, env });
  const storage = openStorage(runtime, join(folder.path, "repository"));
  if (sealed) {
    const { recipient } = identityIn(folder.path);
    runtime.keys.want(storage.place, { recipients: [recipient], hostKeyFile: join(folder.path, "host.key") });
  }
  const repository = await openOrCreateRepository(runtime, storage, noAbort());
  await storage.put("data/records/proofs/none", Buffer.from(""), noAbort());
  const look = async (
    at: number,
    findings: readonly Finding[],
    {
      complete = true,
      strategy = notify,
      place = storage,
      runbook,
    }: { complete?: boolean; strategy?: Notify; place?: Storage; runbook?: string } = {},
  ): Promise<NotifyReport> => {
    clock.at = at;
    const ofData = findings.filter(({ database }) => database !== null);
    const looked = [
      { database: "data", findings: ofData, complete, storages: [place] },
      {
        database: null,
        findings: findings.filter(({ database }) => database === null),
        complete,
        storages: [],
      },
    ];
    const request = {
      notify: strategy,
      strategyPath: "/etc/handled/handled.yaml",
      digest: { timeZone: "UTC", runbook },
      looked,
    };
    return await notifyFindings(runtime, request, noAbort());
  };
  return {
    path: folder.path,
    clock,
    notify,
    repository,
    runtime,
    said,
    look,
    subjects: (channel: string) =>
      said.filter((one) => one.channel === channel).map(({ subject }) => subject),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
