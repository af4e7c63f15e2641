import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { readHeartbeat } from "../../postgres/heartbeat.ts";
import { connect } from "../../postgres/session.ts";
import { output, type Step } from "../plan.ts";
import { describeSkew, type Moment, skewOf } from "../skew.ts";
import { describeTarget, type Subject } from "../subject.ts";

/** A database, and where it was restored. */
export interface Restored {
  readonly subject: Subject;
  readonly where: () => ConnectionSettings;
}

/** Tells where the restored databases are, of which moment each is, and how far apart. */
export function tellTogetherStep(
  runtime: Runtime,
  { restored, budgetMs }: { readonly restored: readonly Restored[]; readonly budgetMs: number },
): Step {
  return {
    id: "tell",
    title: "Tell where they are, and how far apart their data is",
    runs: "a connection to each",
    checkedBy: "each lets us in",
    budgetMs,
    ifItFails: "see that the servers are there, and go on",
    confirm: null,
    run: async (outputs, signal) => {
      const moments: Moment[] = [];
      const measured: Moment[] = [];
      for (const { subject, where } of restored) {
        const { database } = subject;
        const target = where();
        const at = new Date(output(outputs, `${database}.snapshotAt`));
        const beat = await readBeat(runtime, target, database, signal);
        runtime.reporter.note(
          `${database}: ${describeTarget(target)}, data as of ${at.toISOString()}${describeBeat(at, beat)}`,
        );
        moments.push({ database, at });
        // Of a moment of the service's a heartbeat only says which backup came before it.
        if (beat !== undefined && isOf(at, beat) && outputs[`${database}.source`] !== "provider")
          measured.push({ database, at: beat });
      }
      runtime.reporter.note(describeSkew(moments));
      if (measured.length < restored.length) return { skewMs: skewOf(moments) };
      runtime.reporter.note(`measured by their heartbeats, ${describeSkew(measured)}`);
      return { skewMs: skewOf(moments), measuredSkewMs: skewOf(measured) };
    },
    check: async () => {},
  };
}

// A backup may have waited for locks between the two; longer, and the heartbeat is that of an earlier one.
const LONGEST_BETWEEN_MS = 15 * 60_000;

const isOf = (at: Date, beat: Date): boolean => Math.abs(at.getTime() - beat.getTime()) <= LONGEST_BETWEEN_MS;

function describeBeat(at: Date, beat: Date | undefined): string {
  if (beat === undefined) return "";
  const what = `; its heartbeat is of ${beat.toISOString()}`;
  return isOf(at, beat) ? what : `${what}, too far from it to measure anything`;
}

async function readBeat(
  runtime: Runtime,
  target: ConnectionSettings,
  database: string,
  signal: AbortSignal,
): Promise<Date | undefined> {
  await using session = await connect(runtime, target, signal);
  return await readHeartbeat(session, database);
}
