import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { BackupId, BackupIndex } from "../repository/manifest.ts";
import type { ProofFile } from "../repository/proof-file.ts";
import { openRepository, type Repository } from "../repository/repository.ts";
import { splitByProof } from "./damage-found.ts";
import { type DatabaseListing, listRepository } from "./list.ts";
import { absenceOf, isOfPlace, lackingIn, type Place, type Surveyed } from "./places.ts";

/** What the places of a database hold together: each backup once. */
export interface PlacesListing extends DatabaseListing {
  /** Names of the places that have a backup, by its id; those where it is known to be damaged are not among them. */
  readonly places: ReadonlyMap<BackupId, readonly string[]>;
  /** Names of the places where a backup is known to be damaged, by its id. */
  readonly damagedIn: ReadonlyMap<BackupId, readonly string[]>;
  /** Empty where every place has what it should have. */
  readonly shortfalls: readonly Shortfall[];
  /** The places that could be opened. */
  readonly repositories: readonly Repository[];
}

/** What is listed of a database of which there is nothing yet. */
export function emptyListing(database: string): PlacesListing {
  return {
    database,
    backups: [],
    damaged: [],
    foreign: [],
    proofs: new Map(),
    places: new Map(),
    damagedIn: new Map(),
    shortfalls: [],
    repositories: [],
  };
}

/** What one place lacks of what others have. */
export interface Shortfall {
  readonly place: string;
  /** Of backups that it should have, newest first. */
  readonly ids: readonly BackupId[];
  /** Why nothing is known of it, or it is no repository. */
  readonly failure: AppError | undefined;
}

/** Lists one database in all its places. A place that cannot be read is told of; where none can, its error is thrown. */
export async function listPlaces(
  runtime: Runtime,
  places: readonly Place[],
  database: string,
  timeZone: string,
  signal: AbortSignal,
): Promise<PlacesListing> {
  const found: { readonly surveyed: Surveyed; readonly listing: DatabaseListing }[] = [];
  for (const place of places) found.push(await listPlace(runtime, place, database, places.length, signal));
  const [first] = found;
  if (first === undefined) throw new AppError("unexpected", `list ${database}: there is no place`);
  const read = found.filter(({ surveyed }) => surveyed.repository !== undefined);
  if (read.length === 0) {
    // Every place may simply be new; an error is more than that.
    throw (
      found.flatMap(({ surveyed }) => surveyed.failure ?? [])[0] ?? (await missing(runtime, places, signal))
    );
  }
  const all = found.map(({ surveyed }) => surveyed);
  return {
    ...merged(database, found),
    repositories: read.flatMap(({ surveyed }) => surveyed.repository ?? []),
    shortfalls:
      places.length === 1 ? [] : all.flatMap((one) => shortfallOf(runtime, database, one, all, timeZone)),
  };
}

async function missing(runtime: Runtime, [first]: readonly Place[], signal: AbortSignal): Promise<AppError> {
  try {
    if (first !== undefined) await openRepository(runtime, first.storage, signal);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  return new AppError("repository_missing", "list: there is no repository");
}

async function listPlace(
  runtime: Runtime,
  place: Place,
  database: string,
  places: number,
  signal: AbortSignal,
): Promise<{ readonly surveyed: Surveyed; readonly listing: DatabaseListing }> {
  const empty: DatabaseListing = { database, backups: [], damaged: [], foreign: [], proofs: new Map() };
  try {
    const repository = await openRepository(runtime, place.storage, signal);
    const [listing = empty] = await listRepository(runtime, place.storage, database, signal);
    const { good, failed } = splitByProof(listing.backups, listing.proofs);
    const damaged = new Set([...failed, ...listing.damaged].map(({ id }) => id));
    return { listing, surveyed: { place, repository, failure: undefined, good, damaged } };
  } catch (error) {
    if (places === 1 || !isOfPlace(error, signal)) throw error;
    const failure = error.code === "repository_missing" ? undefined : error;
    return {
      listing: empty,
      surveyed: { place, repository: undefined, failure, good: [], damaged: new Set() },
    };
  }
}

function merged(
  database: string,
  found: readonly { readonly surveyed: Surveyed; readonly listing: DatabaseListing }[],
): Omit<PlacesListing, "shortfalls" | "repositories"> {
  const several = found.length > 1;
  const backups = new Map<BackupId, BackupIndex>();
  const places = new Map<BackupId, string[]>();
  const damagedIn = new Map<BackupId, string[]>();
  const proofs = new Map<BackupId, ProofFile>();
  for (const { surveyed, listing } of found) {
    for (const index of listing.backups) {
      backups.set(index.id, index);
      const names = surveyed.damaged.has(index.id) ? damagedIn : places;
      names.set(index.id, [...(names.get(index.id) ?? []), surveyed.place.name]);
      const [proof, known] = [listing.proofs.get(index.id), proofs.get(index.id)];
      if (proof !== undefined && (known === undefined || saysMore(proof, known))) proofs.set(index.id, proof);
    }
  }
  // What is damaged in one place and whole in another can be restored: its proof there counts.
  for (const { surveyed, listing } of found) {
    for (const { id } of surveyed.good) {
      const proof = listing.proofs.get(id);
      if (proofs.get(id)?.outcome !== "failed") continue;
      if (proof === undefined) proofs.delete(id);
      else proofs.set(id, proof);
    }
  }
  return {
    database,
    backups: [...backups.values()].toSorted(
      (a, b) => Date.parse(b.snapshotAt) - Date.parse(a.snapshotAt) || (a.id < b.id ? 1 : -1),
    ),
    damaged: found.flatMap(({ surveyed, listing }) =>
      listing.damaged.map((one) =>
        several ? { ...one, reason: `in ${surveyed.place.name}: ${one.reason}` } : one,
      ),
    ),
    foreign: found.flatMap(({ listing }) => listing.foreign),
    proofs,
    places,
    damagedIn,
  };
}

const saysMore = (one: ProofFile, other: ProofFile): boolean =>
  Date.parse(one.finishedAt) > Date.parse(other.finishedAt);

function shortfallOf(
  runtime: Runtime,
  database: string,
  place: Surveyed,
  all: readonly Surveyed[],
  timeZone: string,
): Shortfall[] {
  const { name } = place.place;
  // What it lacks nobody knows.
  if (place.failure !== undefined) return [{ place: name, ids: [], failure: place.failure }];
  const absence = absenceOf(runtime, database, place, all, timeZone);
  const elsewhere = new Set<string>(all.flatMap(({ good }) => good.map(({ id }) => id)));
  const ids = [
    ...lackingIn(runtime, place, all, timeZone).map(({ index }) => index.id),
    ...[...place.damaged].filter((id) => elsewhere.has(id)).map((id) => id as BackupId),
  ];
  return ids.length === 0 ? [] : [{ place: name, ids, failure: absence }];
}

/** In words, and what to do about it. */
export function describeShortfall(
  database: string,
  { place, ids, failure }: Shortfall,
): { readonly message: string; readonly hint: string | null } {
  if (failure !== undefined) {
    const what = failure.code === "repository_missing" ? "" : " cannot be read";
    return { message: `degraded: ${place}${what}: ${failure.message}`, hint: failure.hint ?? null };
  }
  const more = ids.length - 1;
  const which = `${ids[0] ?? ""}${more > 0 ? ` and ${more} more` : ""}`;
  return {
    message: `degraded: ${place} does not have ${which} whole, which another place has`,
    hint: `\`handled copy ${database}\` brings over what is missing, \`handled verify ${database} ${ids[0] ?? ""} --repair\` mends what is damaged`,
  };
}
