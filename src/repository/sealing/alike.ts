import { AppError } from "../../errors.ts";
import { readRepositoryFile, type Repository } from "../repository.ts";

/**
 * Fails with `repository_unusable` unless objects of one place can lie in the other as they are: sealed to the same keys,
 * and named under the same one.
 * @param other the place that is at odds with the first
 */
export function requireSameKeys(first: Repository, other: Repository): void {
  const [one, two] = [first.file.sealing, other.file.sealing];
  if (one === undefined && two === undefined) return;
  if (one === undefined || two === undefined) {
    const [open, sealed] = one === undefined ? [first, other] : [other, first];
    throw refusal(first, other, `${open.place} is not encrypted, and ${sealed.place} is`, NEW_PLACE);
  }
  if (first.storage.location.seal?.namingKey !== other.storage.location.seal?.namingKey) {
    const reason = "each has a naming key of its own, so it did not begin as a copy of the other";
    throw refusal(first, other, reason, NEW_PLACE);
  }
  if (sameSet(one.recipients, two.recipients) && sameSet(one.hosts, two.hosts)) return;
  const what = sameSet(one.recipients, two.recipients) ? "hosts" : "recipients";
  throw refusal(first, other, `they are sealed to different ${what}`, REWRAP);
}

const NEW_PLACE =
  "name a new, empty place in the strategy: it is made with the keys of the others; keep this one until its backups have expired";
const REWRAP =
  "`handled key rewrap --identity FILE`, without `--repository`, seals all places of the strategy to the same keys";

function refusal(first: Repository, other: Repository, reason: string, hint: string): AppError {
  const message = `copy between ${first.place} and ${other.place}: ${reason}`;
  return new AppError("repository_unusable", message, { hint });
}

function sameSet(one: readonly string[], two: readonly string[]): boolean {
  return [...new Set(one)].toSorted().join(" ") === [...new Set(two)].toSorted().join(" ");
}

/**
 * Fails with `lease_lost` where a repository was sealed to other keys since it was opened: whoever did so would not find
 * what is sealed to the old ones. `repository.json` says so before the first object is sealed anew.
 */
export async function requireSealedAlike(
  { storage, file, place }: Repository,
  signal: AbortSignal,
): Promise<void> {
  if (file.sealing === undefined) return;
  const now = await readRepositoryFile(storage, signal);
  if (JSON.stringify(now?.sealing) === JSON.stringify(file.sealing)) return;
  throw new AppError("lease_lost", `write to ${place}: it was sealed to other keys a moment ago`, {
    hint: "run it again",
  });
}
