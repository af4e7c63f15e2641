import { basename } from "node:path";
import { formatBytes, formatCount } from "../../lib/text.ts";
import type { DatabaseListing } from "../../operations/list.ts";
import type { ListJson } from "../json.ts";
import type { Output } from "../output.ts";
import { indexJson, kindCell } from "./backup.ts";
import { proofCell, proofJson } from "./proof.ts";
import { renderTable } from "./table.ts";
import { formatAge, timeFormat } from "./time.ts";

export function listJson(listings: readonly DatabaseListing[]): ListJson {
  return {
    databases: listings.map(({ database, backups, damaged, foreign, proofs }) => ({
      database,
      backups: backups.map((index) => ({ ...indexJson(index), proof: proofJson(proofs.get(index.id)) })),
      damaged: damaged.map(({ id, reason }) => ({ id, reason })),
      foreign: foreign.map(({ key, size, modified }) => ({
        name: basename(key),
        key,
        size,
        modified: modified.toISOString(),
      })),
    })),
  };
}

export function renderListings(
  output: Output,
  listings: readonly DatabaseListing[],
  now: Date,
  timeZone: string,
): string {
  if (listings.length === 0) return "The repository holds no backups yet.";
  return listings.map((listing) => renderListing(output, listing, now, timeZone)).join("\n\n");
}

function renderListing(output: Output, listing: DatabaseListing, now: Date, timeZone: string): string {
  const { database, backups, damaged, foreign, proofs } = listing;
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
      backup.kind === "archive" ? basename(backup.archive.key) : "",
    ]),
    ...foreign.map(({ key, size, modified }) => [
      "foreign",
      formatTime(modified),
      formatAge(modified, now),
      "archive",
      "?",
      formatBytes(size),
      "-",
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
            { title: "FILE" },
          ],
          rows,
        );
  const broken = damaged.map(({ id, reason }) => `${output.paint("red", "damaged")} ${id}: ${reason}`);
  return [title, body, ...broken].join("\n");
}
