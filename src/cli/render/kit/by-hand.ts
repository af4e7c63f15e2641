import type { KitDatabase } from "../../../operations/kit.ts";
import { quoteForShell } from "../../../operations/schedule/quoting.ts";
import type { ArchiveIndex } from "../../../repository/manifest.ts";
import { isArchive } from "../../../repository/listing.ts";
import { databaseFolder } from "../../../repository/layout.ts";
import { parseS3Url } from "../../../storage/s3/place.ts";
import { type Block, commands, heading, type Section, text } from "./page.ts";

/** How the backups of these databases are brought back with stock programs, for the kinds of backup that are there. */
export function byHandBlocks(databases: readonly KitDatabase[]): Block[] {
  return [
    text(
      "The backups are open formats. With `psql`, `pg_restore`, `gunzip`, `zstd` and, for a bucket, the `aws` program, this brings them back; the server is where `PGHOST`, `PGPORT`, `PGUSER` and `PGPASSWORD` say.",
    ),
    ...databases.filter(({ newest }) => newest !== null).flatMap(databaseBlocks),
  ];
}

function databaseBlocks(database: KitDatabase): Block[] {
  const archives = database.ofKinds.filter(isArchive);
  const snapshot = database.ofKinds.find(({ kind }) => kind === "snapshot");
  return [
    heading(database.database),
    ...(database.recipients.length === 0
      ? []
      : [text("Its objects are sealed: open each with `age -d -i KEY_FILE` first.")]),
    ...archives.flatMap((index) => archiveBlocks(database, index)),
    ...(snapshot === undefined
      ? []
      : [
          text(
            `The newest snapshot is ${snapshot.id}. Follow “Snapshots by hand” below, with these in place of the lines that it tells you to change:`,
          ),
          commands(
            ...folderLines(database),
            `backup=backups/${snapshot.id} target=${quoteForShell(snapshot.server.database)}`,
          ),
        ]),
  ];
}

/** Ends in the folder of the database. */
function folderLines({ place, database }: KitDatabase): string[] {
  const folder = databaseFolder(database);
  if (!place.startsWith("s3://")) return [`cd ${quoteForShell(`${place}/${folder}`)}`];
  const into = quoteForShell(folder);
  return [`aws s3 sync ${s3Word(place, folder)} ${into}${awsOptions(place)}`, `cd ${into}`];
}

function archiveBlocks({ place, database }: KitDatabase, { id, archive, server }: ArchiveIndex): Block[] {
  const name = archive.key.slice(databaseFolder(database).length);
  const file = quoteForShell(name);
  const fetch = place.startsWith("s3://")
    ? `aws s3 cp ${s3Word(place, archive.key)} ${file}${awsOptions(place)}`
    : `cd ${quoteForShell(`${place}/${databaseFolder(database)}`)}`;
  const target = quoteForShell(server.database);
  const load =
    archive.format === "custom"
      ? `pg_restore --exit-on-error -d ${target} ${file}`
      : `${archive.compression === "gzip" ? "gunzip -c" : "zstd -dc"} ${file} | psql -X -v ON_ERROR_STOP=1 -d ${target}`;
  return [
    text(`The newest archive is ${id}; if a role is missing, make it with \`createuser\` and begin anew.`),
    commands(
      fetch,
      `echo ${quoteForShell(`${archive.sha256}  ${name}`)} | sha256sum --check`,
      `createdb --template template0 ${target}`,
      load,
    ),
  ];
}

function s3Word(place: string, key: string): string {
  const { bucket, prefix } = parseS3Url(place);
  return quoteForShell(`s3://${bucket}/${prefix}${key}`);
}

function awsOptions(place: string): string {
  const { endpoint, region } = parseS3Url(place);
  const one = (name: string, value: string | undefined): string =>
    value === undefined ? "" : ` --${name} ${quoteForShell(value)}`;
  return one("endpoint-url", endpoint) + one("region", region);
}

/**
 * The part of the document about snapshots, as an appendix.
 * @param document docs/recover-without-handled.md
 */
export function snapshotAppendix(document: string): Section {
  const [, body = ""] = document.split("\n## A snapshot\n");
  const blocks: Block[] = [];
  for (const [at, piece] of body.split(/^```.*$/m).entries()) {
    if (at % 2 === 1) {
      blocks.push(commands(...piece.replace(/^\n|\n$/g, "").split("\n")));
      continue;
    }
    for (const paragraph of piece.split(/\n{2,}/)) {
      const words = paragraph.trim().replaceAll("\n", " ").replaceAll("**", "");
      if (words !== "") blocks.push(text(words));
    }
  }
  return { title: "Snapshots by hand", blocks, isAppendix: true };
}
