import { AppError } from "../../errors.ts";
import { describeHalfMade, type HalfMade } from "../../operations/restore/half-made.ts";
import type { Holder } from "../../repository/manifest.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";

// Of a restore on another machine nobody knows here whether it lives, and none takes longer.
const LONGEST_RESTORE_MS = 24 * 60 * 60_000;

/** Databases on the server that restores of this one were making when they were killed; not what one is making now. */
export function checkHalfMade(facts: Facts): Finding[] {
  const { halfMade, now } = facts;
  return halfMade
    .filter((one) => isLeftBehind(one, now) && isOf(facts, one))
    .map((one) =>
      finding("database-half-made", facts, {
        subject: one.database,
        ...describeHalfMade(one, now),
        evidence: { startedAt: one.startedAt?.toISOString() ?? null, bytes: one.bytes },
      }),
    );
}

function isLeftBehind({ maker, startedAt }: HalfMade, now: Date): boolean {
  if (maker !== "unknown") return maker === "dead";
  return startedAt !== null && now.getTime() - startedAt.getTime() > LONGEST_RESTORE_MS;
}

/** It was to take this one's place, or a run of this one made it. A server may have the databases of many. */
function isOf({ runs, liveName }: Facts, { target, holder }: HalfMade): boolean {
  if (target !== null && target === liveName) return true;
  return holder !== null && !(runs instanceof AppError) && runs.some(({ by }) => isSame(by, holder));
}

function isSame(one: Holder, other: Holder): boolean {
  return one.pid === other.pid && one.bootId === other.bootId && one.processStart === other.processStart;
}
