import type { AppError } from "../errors.ts";
import type { Storage } from "./storage.ts";

/** An object that could not be had from where it should be, and was read from another place. */
export interface FellBack {
  /** The place that failed, and the one that had it. */
  readonly place: string;
  readonly to: string;
  readonly error: AppError;
}

export type HearFellBack = (fall: FellBack) => void;

/** Further places that hold the same objects under the same keys. */
export interface Others {
  /** In the order in which they are tried. */
  readonly storages: readonly Storage[];
  readonly fellBack: HearFellBack;
}

/**
 * A place for reading, with others that have the same. The storage itself reads from the first alone: only who checks what
 * was read can tell whether it is right, and asks the others then (`firstSound`).
 */
export function withOthers(first: Storage, storages: readonly Storage[], fellBack: HearFellBack): Storage {
  return {
    place: first.place,
    location: { ...first.location, others: storages.map(({ location }) => location) },
    others: { storages, fellBack },
    asOf: first.asOf,
    stage: (key, signal) => first.stage(key, signal),
    put: (key, data, signal) => first.put(key, data, signal),
    putIfAbsent: (key, data, signal) => first.putIfAbsent(key, data, signal),
    get: (key, signal) => first.get(key, signal),
    getMany: (keys, signal) => first.getMany(keys, signal),
    open: (key, signal) => first.open(key, signal),
    stat: (key, signal) => first.stat(key, signal),
    sizes: (keys, signal) => first.sizes(keys, signal),
    list: (prefix, depth, signal) => first.list(prefix, depth, signal),
    keys: (prefix, depth, signal) => first.keys(prefix, depth, signal),
    folders: (prefix, signal) => first.folders(prefix, signal),
    delete: (key, signal) => first.delete(key, signal),
    link: (key, target, signal) => first.link(key, target, signal),
    sweep: (prefix, signal) => first.sweep(prefix, signal),
    strays: (prefix, signal) => first.strays(prefix, signal),
    freeBytes: (signal) => first.freeBytes(signal),
  };
}

/** The first place by itself: nothing is read from another, and nobody hears of it. */
export function withoutOthers(storage: Storage): Storage {
  // Who has others is a plain object, made above or by a seal around it.
  return storage.others === undefined
    ? storage
    : { ...storage, others: { storages: [], fellBack: () => {} } };
}
