import { hostname } from "node:os";
import type { MessageChannel, Notify } from "../config/notify.ts";
import type { AppError } from "../errors.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { afterArrival, type DueMessage, dueMessages, type Finding, forgetOthers, observe } from "./alerts.ts";
import { deliver } from "./deliver.ts";
import { afterFailure, brokenChannels, mayTry } from "./failing.ts";
import { type Memory, recall } from "./memory.ts";
import { alertNotice } from "./messages.ts";
import { messageChannels, rulesOf } from "./routes.ts";

/** What was found of one database, and where it is remembered what was told of it. */
export interface Looked {
  /** Null: what concerns none in particular. May be left out of a list where there is nothing of the kind. */
  readonly database: string | null;
  readonly findings: readonly Finding[];
  /** Whether everything could be looked at; where not, nothing counts as over that is not found. */
  readonly complete: boolean;
  readonly storages: readonly Storage[];
}

export interface NotifyRequest {
  readonly notify: Notify;
  /** Absolute path of the strategy: what this machine remembers is kept by it. */
  readonly strategyPath: string;
  readonly looked: readonly Looked[];
}

export interface NotifyReport {
  /** Messages that arrived. */
  readonly sent: readonly {
    readonly channel: string;
    readonly database: string | null;
    readonly subject: string;
  }[];
  /** Messages that did not, and stay due; and why. */
  readonly failures: readonly { readonly channel: string; readonly error: AppError }[];
}

// Each is a connection to somebody else's server.
const AT_ONCE = 4;
const LAST_WORDS_MS = 5000;

/**
 * Tells the channels of a strategy what is new, worse, still open or over since they were told last, each database in one message,
 * and remembers what arrived. Called as often as somebody looks: every minute by a daemon, every hour by cron. What arrived and
 * could not be written down is told again; what did not arrive stays due. Only one process at a time should do so for a strategy.
 */
export async function notifyFindings(
  runtime: Runtime,
  { notify, strategyPath, looked }: NotifyRequest,
  signal: AbortSignal,
): Promise<NotifyReport> {
  const general = looked.find(({ database }) => database === null);
  const everywhere = uniquePlaces(looked.flatMap(({ storages }) => storages));
  const memory = await recall(runtime, strategyPath, null, everywhere, signal);
  const channels = messageChannels(notify);
  const known = Object.entries(memory.file.failing).filter(([name]) =>
    channels.some((one) => one.name === name),
  );
  const round: Round = {
    channels,
    failing: new Map(known),
    failedNow: new Set(),
    sent: [],
    failures: [],
  };
  for (const one of looked) {
    if (one.database === null) continue;
    const own = await recall(runtime, strategyPath, one.database, one.storages, signal);
    await tell(runtime, notify, round, own, one, signal);
  }
  // Last, for what else was sent tells whether channels work.
  const findings = (): Finding[] => [
    ...(general?.findings ?? []),
    ...brokenChannels(Object.fromEntries(round.failing)),
  ];
  const about = { database: null, complete: general?.complete ?? true, storages: everywhere };
  await tell(runtime, notify, round, memory, { ...about, findings: findings() }, signal);
  return { sent: round.sent, failures: round.failures };
}

/** What is common to all messages that are sent at one time. */
interface Round {
  readonly channels: readonly MessageChannel[];
  readonly failing: Map<string, Memory["file"]["failing"][string]>;
  /** Not tried again in this round: what is due stays so. */
  readonly failedNow: Set<string>;
  readonly sent: NotifyReport["sent"][number][];
  readonly failures: NotifyReport["failures"][number][];
}

async function tell(
  runtime: Runtime,
  notify: Notify,
  round: Round,
  { file, save }: Memory,
  { database, findings, complete }: Looked,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = runtime;
  const rules = rulesOf(notify);
  const clean = findings.map((finding) => redacted(runtime, finding));
  let state = { ...file, ...forgetOthers(file, rules.channels) };
  state = { ...state, ...observe(state, { findings: clean, complete }, clock.now()) };
  const due = dueMessages(state, rules, clock.now()).filter(
    ({ channel }) => !round.failedNow.has(channel) && mayTry(round.failing.get(channel), clock.now()),
  );
  const arrived: DueMessage[] = [];
  try {
    await mapBounded(due, AT_ONCE, async (message) => {
      if (await hasArrived(runtime, round, message, database, signal)) arrived.push(message);
    });
  } finally {
    for (const message of arrived) state = { ...state, ...afterArrival(state, message, clock.now()) };
    if (database === null) state = { ...state, failing: Object.fromEntries(round.failing) };
    // Whoever stops us between two messages is not to get the first one twice.
    await save(state, signal.aborted ? AbortSignal.timeout(LAST_WORDS_MS) : signal);
  }
}

async function hasArrived(
  runtime: Runtime,
  round: Round,
  message: DueMessage,
  database: string | null,
  signal: AbortSignal,
): Promise<boolean> {
  const channel = round.channels.find(({ name }) => name === message.channel);
  if (channel === undefined) return false;
  const notice = alertNotice(message, { database, host: hostname(), now: runtime.clock.now() });
  const { error, remark } = await deliver(runtime, channel, notice, signal);
  if (remark !== undefined) runtime.reporter.warn(`${channel.name}: ${remark}`);
  if (error === undefined) {
    round.failing.delete(channel.name);
    round.sent.push({ channel: channel.name, database, subject: notice.subject });
    return true;
  }
  const reason = runtime.secrets.redact(error.message);
  round.failing.set(channel.name, afterFailure(round.failing.get(channel.name), reason, runtime.clock.now()));
  round.failedNow.add(channel.name);
  round.failures.push({ channel: channel.name, error });
  return false;
}

/** What is sent and remembered holds no secret, whatever found it. */
function redacted({ secrets }: Runtime, finding: Finding): Finding {
  const { message, evidence, hint } = finding;
  const clean = Object.entries(evidence).map(([name, value]) => [
    name,
    typeof value === "string" ? secrets.redact(value) : value,
  ]);
  return {
    ...finding,
    message: secrets.redact(message),
    evidence: Object.fromEntries(clean),
    hint: hint === null ? null : secrets.redact(hint),
  };
}

function uniquePlaces(storages: readonly Storage[]): Storage[] {
  return [...new Map(storages.map((storage) => [storage.place, storage])).values()];
}
