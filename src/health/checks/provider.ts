import { AppError } from "../../errors.ts";
import { formatBytes, formatDuration } from "../../lib/text.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";
import { jumpOf } from "../out-of-history.ts";

// The service takes one a day; half a day is for one that is late.
const STALE_MS = 36 * 3_600_000;
const LIMITS = { least: 16 * 1024 ** 2, fallen: 0.2, grown: Number.POSITIVE_INFINITY };

/** Whether the managed service still takes its backups: it tells times and sizes, and never that one is missing. */
export function checkProvider(facts: Facts): Finding[] {
  const { provider: backups, now } = facts;
  if (backups === undefined) return [];
  if (backups instanceof AppError) {
    const { message, hint = null, code } = backups;
    const said = `the managed service's backups cannot be listed: ${message}`;
    return [finding("provider-unreachable", facts, { message: said, hint, evidence: { error: code } })];
  }
  const hint =
    "`handled provider list` shows them; ask the service, and take one of your own with `handled backup`";
  const [newest] = backups;
  if (newest === undefined)
    return [
      finding("provider-backup-missing", facts, { message: "the managed service lists no backup", hint }),
    ];
  const found: Finding[] = [];
  const ageMs = now.getTime() - newest.createdAt.getTime();
  if (ageMs > STALE_MS) {
    const message = `the managed service's newest backup is ${formatDuration(ageMs)} old, and it should take one a day`;
    found.push(finding("provider-backup-stale", facts, { message, hint, evidence: { ageMs } }));
  }
  const jump = jumpOf(
    backups.map(({ bytes }) => bytes),
    LIMITS,
  );
  if (jump !== undefined) {
    const message = `the managed service's newest backup has ${formatBytes(jump.value)}, and those before had ${formatBytes(jump.median)}`;
    const evidence = { bytes: jump.value, medianBytes: jump.median, before: jump.before };
    found.push(finding("provider-backup-shrunk", facts, { message, hint, evidence }));
  }
  return found;
}
