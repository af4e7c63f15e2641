import { rm } from "node:fs/promises";
import { join } from "node:path";
import { connect, quoteIdentifier, type Session } from "../../src/postgres/session.ts";
import { resolveConnection } from "../../src/postgres/connection.ts";
import { type Filled, fillDatabase } from "./fill.ts";
import { DATABASE } from "./handled.ts";
import type { Options } from "./options.ts";
import type { Place } from "./place.ts";
import { run } from "./run.ts";

/** What all measures share: the place, the filled database and what there is to say. */
export interface Bench {
  readonly place: Place;
  readonly options: Options;
  readonly filled: Filled;
  readonly say: (text: string) => void;
  /** A repository with a snapshot of the database as it is now, and `dump.sql.gz` of the same, where a measure left them. */
  current: string | undefined;
}

/** A session of a superuser. */
export async function openSession(place: Place, database: string, signal: AbortSignal): Promise<Session> {
  const settings = await resolveConnection(place.runtime, place.cluster.url(database), signal);
  return await connect(place.runtime, settings, signal);
}

export async function fill(place: Place, size: number, signal: AbortSignal): Promise<Filled> {
  await createDatabase(place, DATABASE, signal);
  await using session = await openSession(place, DATABASE, signal);
  return await fillDatabase(session, size);
}

export async function createDatabase(place: Place, name: string, signal: AbortSignal): Promise<void> {
  await using session = await openSession(place, "postgres", signal);
  await session.query(`create database ${quoteIdentifier(name)} template template0`);
}

export async function dropDatabase(place: Place, name: string, signal: AbortSignal): Promise<void> {
  await using session = await openSession(place, "postgres", signal);
  await session.query(`drop database if exists ${quoteIdentifier(name)} with (force)`);
}

/** Lets the disk and the server finish what the last program left them to do, so that the next does not pay for it. */
export async function settle(place: Place, signal: AbortSignal): Promise<void> {
  await using session = await openSession(place, "postgres", signal);
  await session.query("checkpoint");
  await run("sync", [], place.env, signal);
}

/** A folder in the place, by its name; emptied. */
export async function freshFolder(place: Place, name: string): Promise<string> {
  const folder = join(place.folder, name);
  await rm(folder, { recursive: true, force: true });
  return folder;
}
