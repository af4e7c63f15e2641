import { counted, formatBytes, formatCount } from "../../lib/text.ts";
import type { DatabaseUsage, PlaceUsage } from "../../operations/repository/usage.ts";
import type { Growth } from "../../repository/growth.ts";
import { STORED_KINDS, type StoredKind } from "../../repository/survey-stored.ts";
import type { UsageJson } from "../../json/repository.ts";
import type { Output } from "../output.ts";
import { indexJson, kindCell } from "./backup.ts";
import { renderTable } from "./table.ts";
import { timeFormat } from "./time.ts";

export function usageJson(places: readonly PlaceUsage[]): UsageJson {
  return {
    places: places.map((place) => ({
      ...place,
      databases: place.databases.map(({ backups, doubts, ...database }) => ({
        ...database,
        backups: backups.map(({ index, ownBytes }) => ({ ...indexJson(index), ownBytes })),
        doubts: [...doubts],
      })),
    })),
  };
}

export function renderUsage(output: Output, places: readonly PlaceUsage[], timeZone: string): string {
  return places.map((place) => renderPlace(output, place, timeZone)).join("\n\n");
}

function renderPlace(output: Output, usage: PlaceUsage, timeZone: string): string {
  const { place, databases } = usage;
  const title = output.paint("bold", place);
  if (databases.length === 0) return `${title}\nThe repository holds no backups yet.`;
  const table = renderTable(
    [
      { title: "DATABASE" },
      { title: "STORED", right: true },
      { title: "ARCHIVES", right: true },
      { title: "SNAPSHOTS", right: true },
      { title: "DAMAGED", right: true },
      { title: "FOREIGN", right: true },
      { title: "GROWTH A DAY", right: true },
      { title: "DEDUPLICATION", right: true },
    ],
    databases.map(({ database, storedBytes, counts, growth, deduplication }) => [
      database,
      formatBytes(storedBytes),
      formatCount(counts.archives),
      formatCount(counts.snapshots),
      formatCount(counts.damaged),
      formatCount(counts.foreign),
      growth === null ? "?" : formatBytes(growth.bytesPerDay),
      deduplication === null ? "-" : `${deduplication.toFixed(1)} ×`,
    ]),
    output.width,
  );
  return [
    title,
    table,
    ...describeRoom(usage),
    ...databases.map((database) => `\n${renderDatabase(output, database, timeZone)}`),
  ].join("\n");
}

function describeRoom({ freeBytes, growth, daysUntilFull }: PlaceUsage): string[] {
  const grows =
    growth === null
      ? "too little history to tell how fast it grows: that takes three backups of one kind, over a day or more"
      : `backups write ${formatBytes(growth.bytesPerDay)} a day, seen over ${daysOf(growth)}`;
  if (freeBytes === null) return [grows];
  const free = `${formatBytes(freeBytes)} free`;
  if (daysUntilFull === null) return [grows, free];
  if (daysUntilFull === 0) return [grows, `${free}: the disk is full, or will be within a day`];
  const when = `the disk is full in ${counted(daysUntilFull, "day")} if nothing is deleted meanwhile`;
  return [grows, `${free}: ${when}`];
}

function daysOf({ days }: Growth): string {
  return days < 10 ? `${days.toFixed(1)} days` : counted(Math.round(days), "day");
}

const KIND_NAMES: Readonly<Record<StoredKind, string>> = {
  archives: "archives",
  parts: "parts of snapshots",
  partLists: "lists of parts",
  manifests: "descriptions of backups",
  records: "proofs and notes",
  orphans: "orphans",
  foreign: "foreign archives",
  control: "leases and read markers",
  unknown: "not known to Handled",
};

function renderDatabase(output: Output, usage: DatabaseUsage, timeZone: string): string {
  const { database, stored, backups, doubts } = usage;
  const formatTime = timeFormat(timeZone);
  const kinds = renderTable(
    [{ title: "STORED" }, { title: "OBJECTS", right: true }, { title: "SIZE", right: true }],
    STORED_KINDS.filter((kind) => stored[kind].objects > 0).map((kind) => [
      KIND_NAMES[kind],
      formatCount(stored[kind].objects),
      formatBytes(stored[kind].bytes),
    ]),
    output.width,
  );
  const each = renderTable(
    [
      { title: "ID" },
      { title: "TAKEN" },
      { title: "KIND" },
      { title: "ADDED", right: true },
      { title: "FREED IF DELETED", right: true },
    ],
    backups.map(({ index, addedBytes, ownBytes }) => [
      index.id,
      formatTime(new Date(index.snapshotAt)),
      kindCell(index),
      formatBytes(addedBytes),
      formatBytes(ownBytes),
    ]),
    output.width,
  );
  return [
    output.paint("bold", database),
    kinds,
    ...(stored.orphans.objects === 0
      ? []
      : ["orphans are what no index names: `handled prune` deletes them in two steps, a day apart"]),
    ...(backups.length === 0 ? [] : ["", each]),
    ...doubts.map((doubt) => `${output.paint("yellow", "not counted")} ${doubt}`),
  ].join("\n");
}
