import { SEVERITIES, type Severity } from "../config/notify.ts";
import type { AlertsFile } from "../repository/alerts-file.ts";

/** Something wrong, as whoever looks for it reports it. It is the same as one before where `keyOf` says so. */
export type Finding = AlertsFile["alerts"][number]["finding"];
export type Alert = AlertsFile["alerts"][number];
/** What is remembered of the alerts of one database. */
type AlertState = Pick<AlertsFile, "seenAt" | "alerts" | "sentAt">;

/** What there is now. */
export interface Observed {
  readonly findings: readonly Finding[];
  /** Whether it was looked for this; where not, it may be there all the same though it is not among the findings. */
  readonly wasLookedFor: (finding: Finding) => boolean;
}

/** Who is told of what, and when again. */
export interface Rules {
  /** All there are. */
  readonly channels: readonly string[];
  readonly channelsOf: (finding: Finding) => readonly string[];
  readonly remindersMs: readonly number[];
}

/** What one channel is to be told at once. At least one of the lists has something. */
export interface DueMessage {
  readonly channel: string;
  readonly opened: readonly Alert[];
  /** More severe than the channel was told. */
  readonly worse: readonly Alert[];
  readonly reminded: readonly Alert[];
  readonly closed: readonly Alert[];
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** A channel gets no two messages about one database sooner. */
const APART_MS = MINUTE_MS;
/** What is gone for so long is over; twice as long each time it came back, lest what flaps is told all day. */
const HOLD_OFF_MS = 10 * MINUTE_MS;
const LONGEST_HOLD_OFF_MS = 6 * 60 * MINUTE_MS;
/** What comes back within this time after it was over flaps. */
const REMEMBERED_MS = DAY_MS;

/** Findings of one key are one and the same, whatever their figures. */
export const keyOf = ({ database, id, subject }: Finding): string => JSON.stringify([database, id, subject]);

/** What opens, what is gone, and what counts as over, now that it was looked again. Sends nothing. */
export function observe(state: AlertState, { findings, wasLookedFor }: Observed, now: Date): AlertState {
  const at = now.toISOString();
  const found = new Map(findings.map((finding) => [keyOf(finding), finding]));
  const known = state.alerts.map((alert): Alert => {
    const finding = found.get(keyOf(alert.finding));
    found.delete(keyOf(alert.finding));
    if (finding !== undefined) return seen(alert, finding, at);
    if (alert.closedAt !== null || !wasLookedFor(alert.finding)) return alert;
    const goneSince = alert.goneSince ?? state.seenAt ?? at;
    const isOver = elapsed(now, goneSince) >= holdOff(alert);
    return { ...alert, goneSince, closedAt: isOver ? at : null };
  });
  const isOfUse = ({ closedAt, told }: Alert): boolean =>
    closedAt === null || Object.keys(told).length > 0 || elapsed(now, closedAt) < REMEMBERED_MS;
  return {
    ...state,
    seenAt: at,
    alerts: [
      ...known.filter(isOfUse),
      ...[...found.values()].map((finding): Alert => {
        return { finding, openedAt: at, goneSince: null, closedAt: null, returns: 0, told: {} };
      }),
    ],
  };
}

function seen(alert: Alert, finding: Finding, at: string): Alert {
  if (alert.closedAt === null) return { ...alert, finding, goneSince: null };
  return { ...alert, finding, openedAt: at, goneSince: null, closedAt: null, returns: alert.returns + 1 };
}

function holdOff({ returns }: Alert): number {
  return Math.min(HOLD_OFF_MS * 2 ** returns, LONGEST_HOLD_OFF_MS);
}

/** What each channel is to be told now: all of it in one message. */
export function dueMessages(state: AlertState, rules: Rules, now: Date): DueMessage[] {
  return rules.channels.flatMap((channel): DueMessage[] => {
    if (isTooSoon(state, channel, now)) return [];
    const here = state.alerts.filter(({ goneSince }) => goneSince === null);
    const routed = here.filter(({ finding }) => rules.channelsOf(finding).includes(channel));
    const toldOf = routed.flatMap((alert) => {
      const told = alert.told[channel];
      return told === undefined ? [] : [{ alert, told }];
    });
    const worse = toldOf.filter(({ alert, told }) => isWorse(alert.finding.severity, told.severity));
    const reminded = toldOf.filter(
      (one) => !worse.includes(one) && elapsed(now, one.told.at) >= reminderAfter(rules, one.told.times),
    );
    const message = {
      channel,
      opened: routed.filter(({ told }) => told[channel] === undefined),
      worse: worse.map(({ alert }) => alert),
      reminded: reminded.map(({ alert }) => alert),
      closed: state.alerts.filter(({ closedAt, told }) => closedAt !== null && told[channel] !== undefined),
    };
    return isEmpty(message) ? [] : [message];
  });
}

/** Whether a channel has just been sent a message about this database. */
export function isTooSoon({ sentAt }: Pick<AlertState, "sentAt">, channel: string, now: Date): boolean {
  const last = sentAt[channel];
  return last !== undefined && elapsed(now, last) < APART_MS;
}

function isEmpty({ opened, worse, reminded, closed }: DueMessage): boolean {
  return opened.length + worse.length + reminded.length + closed.length === 0;
}

export function isWorse(one: Severity, other: Severity): boolean {
  return SEVERITIES.indexOf(one) > SEVERITIES.indexOf(other);
}

function reminderAfter({ remindersMs }: Rules, times: number): number {
  return remindersMs[times - 1] ?? remindersMs.at(-1) ?? Infinity;
}

/** The state once a message has arrived. */
export function afterArrival(state: AlertState, message: DueMessage, now: Date): AlertState {
  const { channel } = message;
  const at = now.toISOString();
  const isIn = (list: readonly Alert[], { finding }: Alert): boolean =>
    list.some((one) => keyOf(one.finding) === keyOf(finding));
  const alerts = state.alerts.map((alert): Alert => {
    const { [channel]: told, ...others } = alert.told;
    if (isIn(message.closed, alert)) return { ...alert, told: others };
    const isNews = isIn(message.opened, alert) || isIn(message.worse, alert);
    if (!isNews && !isIn(message.reminded, alert)) return alert;
    const times = isNews ? 1 : (told?.times ?? 0) + 1;
    const { severity } = alert.finding;
    // What has become milder meanwhile is not told as worse when it is as bad as before again.
    const worst = told !== undefined && isWorse(told.severity, severity) ? told.severity : severity;
    return { ...alert, told: { ...others, [channel]: { at, times, severity: worst } } };
  });
  return { ...state, alerts, sentAt: { ...state.sentAt, [channel]: at } };
}

/** Forgets channels that are no longer in the strategy: nobody can tell them that something is over. */
export function forgetOthers(state: AlertState, channels: readonly string[]): AlertState {
  const only = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).filter(([name]) => channels.includes(name)));
  return {
    ...state,
    alerts: state.alerts.map((alert) => ({ ...alert, told: only(alert.told) })),
    sentAt: only(state.sentAt),
  };
}

/**
 * Milliseconds since a moment. One that lies in the future, beyond what a clock is set back now and then, was written by a clock
 * that was wrong, and is taken for long ago: otherwise nothing would be told until then.
 */
export function elapsed(now: Date, since: string): number {
  const ms = now.getTime() - Date.parse(since);
  return ms < -MINUTE_MS ? Infinity : Math.max(ms, 0);
}
