import { AppError } from "../errors.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Storage } from "../storage/storage.ts";
import { asStored } from "./sealing/sealed-storage.ts";
import { getStored, openStored, storedSize } from "./sealing/stored-object.ts";
import type { Wanted } from "./stored-parts.ts";

// What is sealed to fewer keys than the others would be lost to some of them.
const STRICT = { sealedToAll: true };

// As `writePart`: what is longer is never held whole.
const LARGEST_HELD = 8 * 1024 * 1024;
const GROUP_BYTES = 16 * 1024 * 1024;
const GROUP_OBJECTS = 64;

/**
 * Brings objects from one place to another as they are stored, each under the key it has and durable. Size and SHA-256 are
 * compared before anything is visible there, of sealed ones as far as the keys go. What lies under a key already is replaced: the caller knows that no sound
 * backup needs it. Throws `backup_damaged` when an object of the source is missing or not what names it says, `wrong_key` when it is sealed to
 * fewer keys than the repository names.
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
    const found = await getStored(from, group, STRICT, signal);
    const pairs = group.map((one, at) => ({ key: one.key, data: found[at] }));
    await mapBounded(pairs, jobs, async ({ key, data }) => {
      if (data === undefined || data instanceof AppError)
        throw data ?? new AppError("unexpected", `copy ${key}: no answer`);
      await asStored(to).put(key, data, signal);
    });
  }
  for (const one of wanted) if (one.ref.size > LARGEST_HELD) await copyLong(from, to, one, signal);
}

async function copyLong(from: Storage, to: Storage, wanted: Wanted, signal: AbortSignal): Promise<void> {
  await using staged = await asStored(to).stage(wanted.key, signal);
  await fillStaged(staged, from, wanted, signal);
  // Staged objects never replace: only here, where the right bytes are durable, may the old ones go.
  await to.delete(wanted.key, signal);
  await staged.publish();
}

/** Writes an object of the source, as it is stored, to a staged one of a place as it lies there; finishes it. */
export async function fillStaged(
  staged: {
    expect(bytes: number): void;
    write(chunk: Uint8Array): Promise<void>;
    finish(): Promise<number>;
  },
  from: Storage,
  wanted: Wanted,
  signal: AbortSignal,
  written: (bytes: number) => void = () => {},
): Promise<void> {
  const expected = storedSize(from, wanted);
  staged.expect(expected);
  for await (const chunk of openStored(from, wanted, STRICT, signal)) {
    await staged.write(chunk);
    written(chunk.length);
  }
  const size = await staged.finish();
  if (size !== expected)
    throw new AppError("unexpected", `write ${wanted.what}: ${size} bytes instead of ${expected}`);
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
