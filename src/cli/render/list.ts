import { basename } from "node:path";
import { formatBytes, formatCount } from "../../lib/text.ts";
import type { ProviderView } from "../../health/provider-view.ts";
import { describeShortfall, type PlacesListing } from "../../operations/list-places.ts";
import type { BackupId } from "../../repository/manifest.ts";
import type { ListJson } from "../../json/look.ts";
import type { Output } from "../output.ts";
import { indexJson, kindCell } from "./backup.ts";
import { proofCell, proofJson } from "./proof.ts";
import { ofProvider, providerViewJson } from "./provider-backup.ts";
import { renderTable } from "./table.ts";
import { formatAge, timeFormat } from "./time.ts";

/** What there is of a database: in its places, and in the managed service that runs it. */
export interface Listed extends PlacesListing {
  readonly provider: ProviderView | null;
}

export function listJson(listings: readonly Omit<Listed, "repositories">[]): ListJson {
  return {
    databases: listings.map(
      ({ database, backups, damaged, foreign, proofs, places, shortfalls, provider }) => ({
        database,
        backups: backups.map((index) => ({
          ...indexJson(index),
          proof: proofJson(proofs.get(index.id)),
          places: [...(places.get(index.id) ?? [])],
        })),
        degraded: shortfalls.map(({ place, ids, failure }) => ({
          place,
          lacks: [...ids],
          error: failure?.message ?? null,
        })),
        damaged: damaged.map(({ id, reason }) => ({ id, reason })),
        foreign: foreign.map(({ key, size, modified }) => ({
          name: basename(key),
          key,
          size,
          modified: modified.toISOString(),
        })),
        provider: providerViewJson(provider),
      }),
    ),
  };
}

export function renderListings(
  output: Output,
  listings: readonly Listed[],
  now: Date,
  timeZone: string,
): string {
  if (listings.length === 0) return "The repository holds no backups yet.";
  return listings.map((listing) => renderListing(output, listing, now, timeZone)).join("\n\n");
}

function renderListing(output: Output, listing: Listed, now: Date, timeZone: string): string {
  const { database, backups, damaged, foreign, proofs, places, damagedIn, shortfalls, provider } = listing;
  const several =
    shortfalls.length > 0 || new Set([...places.values(), ...damagedIn.values()].flat()).size > 1;
  const placesCell = (id: BackupId): string =>
    [
      ...(places.get(id) ?? []),
      ...(damagedIn.get(id) ?? []).map((name) => output.paint("red", `${name} (damaged)`)),
    ].join(", ");
  const formatTime = timeFormat(timeZone);
  const rows = [
    ...backups.map((backup) => [
      backup.id,
      formatTime(new Date(backup.snapshotAt)),
      formatAge(new Date(backup.snapshotAt), now),
      kindCell(backup),
      formatCount(backup.totals.rows),
      formatBytes(backup.totals.storedBytes),
      proofCell(output, proofs.get(backup.id), now),
      ...(several ? [placesCell(backup.id)] : []),
      backup.kind === "archive" ? basename(backup.archive.key) : "",
    ]),
    ...(provider?.backups ?? []).map((backup) => {
      const { id, provenAt } = ofProvider(backup, provider?.restores ?? []);
      return [
        id,
        formatTime(backup.createdAt),
        formatAge(backup.createdAt, now),
        "provider",
        "?",
        formatBytes(backup.bytes),
        provenAt === null ? "-" : `restored ${formatAge(new Date(provenAt), now)}`,
        ...(several ? ["the service"] : []),
        "",
      ];
    }),
    ...foreign.map(({ key, size, modified }) => [
      "foreign",
      formatTime(modified),
      formatAge(modified, now),
      "archive",
      "?",
      formatBytes(size),
      "-",
      ...(several ? [""] : []),
      basename(key),
    ]),
  ];
  const title = output.paint("bold", database);
  const body =
    rows.length === 0
      ? "no backups"
      : renderTable(
          [
            { title: "ID" },
            { title: "TAKEN" },
            { title: "AGE", right: true },
            { title: "KIND" },
            { title: "ROWS", right: true },
            { title: "SIZE", right: true },
            { title: "PROOF" },
            ...(several ? [{ title: "PLACES" }] : []),
            { title: "FILE" },
          ],
          rows,
          output.width,
        );
  const broken = damaged.map(({ id, reason }) => `${output.paint("red", "damaged")} ${id}: ${reason}`);
  const lacking = shortfalls.map((one) => {
    const { message, hint } = describeShortfall(database, one);
    return `${output.paint("red", "✗")} ${message}${hint === null ? "" : ` (${hint})`}`;
  });
  return [title, body, ...windowLines(provider, formatTime), ...broken, ...lacking].join("\n");
}

function windowLines(provider: ProviderView | null, formatTime: (at: Date) => string): string[] {
  if (provider === null || provider.error !== null || provider.backups.length === 0) return [];
  return [
    `the managed service: any moment since ${formatTime(provider.windowFrom)} is assumed, it does not tell`,
  ];
}
