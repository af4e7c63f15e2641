import { hostname } from "node:os";
import type { Notify } from "../config/notify.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import {
  afterArrival,
  type Alert,
  dueMessages,
  type Finding,
  forgetOthers,
  type Observed,
  observe,
} from "./alerts.ts";
import { brokenChannels, CHANNEL_BROKEN } from "./failing.ts";
import { type Memory, recall } from "./memory.ts";
import { alertNotice } from "./messages.ts";
import { beginRound, isWorthTrying, type Round, sendInRound } from "./round.ts";
import { messageChannels, rulesOf } from "./routes.ts";
import { sendDigest } from "./send-digest.ts";

/** What was found of one database, and where it is remembered what was told of it. */
export interface Looked {
  /** Null: what concerns none in particular; left out of a list, nothing of the kind was looked for. */
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
  /** The time zone of the digest's schedule; null where not all databases were looked at, of which it would tell. */
  readonly digest: {
    readonly timeZone: string;
    /** What the runbook says of substance, as Markdown; undefined where none is kept. */
    readonly runbook?: string | undefined;
  } | null;
  readonly looked: readonly Looked[];
}

export interface NotifyReport {
  /** Messages that arrived. */
  readonly sent: Round["sent"];
  /** Messages that did not, and stay due; and why. */
  readonly failures: Round["failures"];
}

// Each is a connection to somebody else's server.
const AT_ONCE = 4;
const LAST_WORDS_MS = 5000;

/**
 * Tells the channels of a strategy what is new, worse, still open or over since they were told last, each database in one message,
 * and remembers what arrived; sends the digest when it is due. Called as often as somebody looks: every minute by a daemon, every hour by cron. What arrived and
 * could not be written down is told again; what did not arrive stays due. Only one process at a time should do so for a strategy.
 */
export async function notifyFindings(
  runtime: Runtime,
  { notify, strategyPath, digest, looked }: NotifyRequest,
  signal: AbortSignal,
): Promise<NotifyReport> {
  const general = looked.find(({ database }) => database === null);
  const everywhere = uniquePlaces(looked.flatMap(({ storages }) => storages));
  const memory = await recall(runtime, strategyPath, null, everywhere, signal);
  const round = beginRound(messageChannels(notify), memory.file.failing);
  const open: Alert[] = [];
  for (const one of looked) {
    if (one.database === null) continue;
    const { database, storages, findings, complete } = one;
    const own = await recall(runtime, strategyPath, database, storages, signal);
    const about = { database, findings, wasLookedFor: () => complete };
    open.push(...openOf(await tell(runtime, notify, round, own, about, signal)));
  }
  // Last, for what else was sent tells whether channels work.
  const broken = brokenChannels(Object.fromEntries(round.failing));
  // What channels do is known in any case.
  const wasLookedFor = ({ id }: Finding): boolean => id === CHANNEL_BROKEN || general?.complete === true;
  const about = { database: null, findings: [...(general?.findings ?? []), ...broken], wasLookedFor };
  const told = await tell(runtime, notify, round, memory, about, signal);
  if (digest !== null) {
    const databases = looked.flatMap(ofDatabase);
    const { timeZone, runbook } = digest;
    const everything = [...open, ...openOf(told)];
    const request = { notify, timeZone, databases, open: everything, strategyPath, runbook };
    let state = told;
    const remember = async (sent: Partial<typeof told>): Promise<void> => {
      state = { ...state, ...sent, failing: Object.fromEntries(round.failing) };
      await memory.save(state, signal.aborted ? AbortSignal.timeout(LAST_WORDS_MS) : signal);
    };
    await sendDigest(runtime, round, request, told, remember, signal);
    await remember({});
  }
  return { sent: round.sent, failures: round.failures };
}

function openOf({ alerts }: Memory["file"]): Alert[] {
  return alerts.filter(({ goneSince }) => goneSince === null);
}

function ofDatabase({ database, storages }: Looked): { database: string; storages: readonly Storage[] }[] {
  return database === null ? [] : [{ database, storages }];
}

/** Tells what is due of one database, and gives what is remembered then. */
async function tell(
  runtime: Runtime,
  notify: Notify,
  round: Round,
  { file, save }: Memory,
  { database, findings, wasLookedFor }: Observed & Pick<Looked, "database">,
  signal: AbortSignal,
): Promise<Memory["file"]> {
  const { clock } = runtime;
  const rules = rulesOf(notify);
  const clean = findings.map((finding) => redacted(runtime, finding));
  let state = { ...file, ...forgetOthers(file, rules.channels) };
  state = { ...state, ...observe(state, { findings: clean, wasLookedFor }, clock.now()) };
  const due = dueMessages(state, rules, clock.now()).filter(({ channel }) =>
    isWorthTrying(round, channel, clock.now()),
  );
  let saved = Promise.resolve();
  // At once, and one after the other: whoever stops or kills us between two messages is not to get the first one twice.
  const remember = (): Promise<void> => {
    if (database === null) state = { ...state, failing: Object.fromEntries(round.failing) };
    const now = state;
    saved = saved.then(async () => {
      await save(now, signal.aborted ? AbortSignal.timeout(LAST_WORDS_MS) : signal);
    });
    return saved;
  };
  try {
    await mapBounded(due, AT_ONCE, async (message) => {
      const notice = alertNotice(message, { database, host: hostname(), now: clock.now() });
      const { channel } = message;
      if (!(await sendInRound(runtime, round, { channel, database, notice }, signal))) return;
      state = { ...state, ...afterArrival(state, message, clock.now()) };
      await remember();
    });
  } finally {
    await remember();
  }
  return state;
}

/** What is sent and remembered holds no secret, whatever found it. */
function redacted({ secrets }: Runtime, finding: Finding): Finding {
  const { message, evidence, hint } = finding;
  const clean = Object.entries(evidence).map(([name, value]) => [
    name,
    typeof value === "string" ? secrets.redact(value) : asFinite(value),
  ]);
  return {
    ...finding,
    message: secrets.redact(message),
    evidence: Object.fromEntries(clean),
    hint: hint === null ? null : secrets.redact(hint),
  };
}

/** JSON has no other numbers, and one of them is not to keep all the rest from being remembered. */
function asFinite(value: number | null): number | null {
  return value === null || Number.isFinite(value) ? value : null;
}

function uniquePlaces(storages: readonly Storage[]): Storage[] {
  return [...new Map(storages.map((storage) => [storage.place, storage])).values()];
}
