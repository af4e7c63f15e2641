import { AppError } from "../errors.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Storage } from "../storage/storage.ts";
import { getChecked, openChecked, type Wanted } from "./stored-parts.ts";

// As `writePart`: what is longer is never held whole.
const LARGEST_HELD = 8 * 1024 * 1024;
const GROUP_BYTES = 16 * 1024 * 1024;
const GROUP_OBJECTS = 64;

/**
 * Brings objects from one place to another, byte for byte, each under the key it has and durable. Size and SHA-256 are
 * compared before anything is visible there. What lies under a key already is replaced: the caller knows that no sound
 * backup needs it. Throws `backup_damaged` when an object of the source is missing or not what names it says.
 * @param jobs how many objects are written at the same time
 */
export async function copyObjects(
  from: Storage,
  to: Storage,
  wanted: readonly Wanted[],
  jobs: number,
  signal: AbortSignal,
): Promise<void> {
  const small = wanted.filter(({ ref }) => ref.size <= LARGEST_HELD);
  for (const group of inGroups(small)) {
    const found = await getChecked(from, group, signal);
    const pairs = group.map((one, at) => ({ key: one.key, data: found[at] }));
    await mapBounded(pairs, jobs, async ({ key, data }) => {
      if (data === undefined || data instanceof AppError)
        throw data ?? new AppError("unexpected", `copy ${key}: no answer`);
      await to.put(key, data, signal);
    });
  }
  for (const one of wanted) if (one.ref.size > LARGEST_HELD) await copyLong(from, to, one, signal);
}

async function copyLong(from: Storage, to: Storage, wanted: Wanted, signal: AbortSignal): Promise<void> {
  await using staged = await to.stage(wanted.key, signal);
  await fillStaged(staged, from, wanted, signal);
  // Staged objects never replace: only here, where the right bytes are durable, may the old ones go.
  await to.delete(wanted.key, signal);
  await staged.publish();
}

/** Writes an object of the source to a staged one of the same bytes, and finishes it. Publishing is the caller's. */
export async function fillStaged(
  staged: {
    expect(bytes: number): void;
    write(chunk: Uint8Array): Promise<void>;
    finish(): Promise<number>;
  },
  from: Storage,
  { key, what, ref }: Wanted,
  signal: AbortSignal,
  written: (bytes: number) => void = () => {},
): Promise<void> {
  staged.expect(ref.size);
  for await (const chunk of (await openChecked(from, key, what, ref, signal)) as AsyncIterable<Buffer>) {
    await staged.write(chunk);
    written(chunk.length);
  }
  const size = await staged.finish();
  if (size !== ref.size)
    throw new AppError("unexpected", `write ${what}: ${size} bytes instead of ${ref.size}`);
}

function* inGroups(wanted: readonly Wanted[]): Generator<Wanted[]> {
  let group: Wanted[] = [];
  let bytes = 0;
  for (const one of wanted) {
    if (group.length > 0 && (group.length >= GROUP_OBJECTS || bytes + one.ref.size > GROUP_BYTES)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(one);
    bytes += one.ref.size;
  }
  if (group.length > 0) yield group;
}
