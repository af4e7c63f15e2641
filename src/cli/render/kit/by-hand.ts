import type { KitDatabase } from "../../../operations/kit.ts";
import { quoteForShell } from "../../../operations/schedule/quoting.ts";
import type { ArchiveIndex, BackupIndex } from "../../../repository/manifest.ts";
import { isArchive } from "../../../repository/listing.ts";
import { databaseFolder } from "../../../repository/layout.ts";
import { parseS3Url } from "../../../storage/s3/place.ts";
import { type Block, commands, heading, type Section, text } from "../page/page.ts";

/** Under this name the page asks for the file with the identity. */
export const IDENTITY_FILE = "identity.txt";

/**
 * How the backups of these databases are brought back with stock programs, for the kinds of backup that are there.
 * @param document docs/recover-without-handled.md
 */
export function byHandBlocks(databases: readonly KitDatabase[], document: string): Block[] {
  const kept = databases.filter(({ newest }) => newest !== null);
  const byName = [...Map.groupBy(kept, ({ database }) => database)];
  return [
    text(
      "The backups are open formats. With `psql`, `pg_restore`, `gunzip`, `zstd` and, for a bucket, the `aws` program, this brings them back; the server is where `PGHOST`, `PGPORT`, `PGUSER` and `PGPASSWORD` say.",
    ),
    ...(kept.some(isSealed) ? sealedBlocks(kept, document) : []),
    ...byName.flatMap(([name, places]) => [
      heading(name),
      ...places.flatMap((one) => [
        ...(places.length === 1 ? [] : [text(`From ${one.place}:`)]),
        ...placeBlocks(one),
      ]),
    ]),
  ];
}

const isSealed = ({ recipients }: KitDatabase): boolean => recipients.length > 0;

/** The lines of the document that open all files of a folder are told once; each snapshot says what to change in them. */
function sealedBlocks(databases: readonly KitDatabase[], document: string): Block[] {
  const [, block = ""] = /^```bash sealed\n(.*?)\n```$/ms.exec(document) ?? [];
  const hasSnapshot = databases.some((one) => isSealed(one) && snapshotOf(one) !== undefined);
  return [
    text(
      `What is encrypted is opened with \`age -d\` (Debian: \`age\`) and the file with the identity, here as \`${IDENTITY_FILE}\`. One that has a passphrase is opened once before: \`age -d -o ${IDENTITY_FILE} FILE\`.`,
    ),
    ...(hasSnapshot
      ? [
          text("This opens all files of a snapshot; the line that is to be changed stands with each below."),
          commands(...block.split("\n")),
        ]
      : []),
  ];
}

function snapshotOf({ ofKinds }: KitDatabase): BackupIndex | undefined {
  return ofKinds.find(({ kind }) => kind === "snapshot");
}

function placeBlocks(database: KitDatabase): Block[] {
  const archives = database.ofKinds.filter(isArchive);
  const snapshot = snapshotOf(database);
  const open = isSealed(database) ? "open its files with the lines above, then follow" : "follow";
  return [
    ...archives.flatMap((index) => archiveBlocks(database, index)),
    ...(snapshot === undefined
      ? []
      : [
          text(
            `The newest snapshot is ${snapshot.id}: ${open} “Snapshots by hand” below, with these in place of the lines that are to be changed:`,
          ),
          commands(
            ...folderLines(database),
            `backup=backups/${snapshot.id} target=${quoteForShell(snapshot.server.database)}`,
          ),
        ]),
  ];
}

/** Ends in the folder of the database, or in a copy of it that is readable. */
function folderLines(kept: KitDatabase): string[] {
  const { place, database } = kept;
  const folder = databaseFolder(database).slice(0, -1);
  const fetched = quoteForShell(isSealed(kept) ? `./${folder}.sealed` : `./${folder}`);
  const fetch = place.startsWith("s3://")
    ? [`aws s3 sync ${s3Word(place, databaseFolder(database))} ${fetched}${awsOptions(place)}`]
    : [];
  const from = fetch.length > 0 ? fetched : quoteForShell(`${place}/${folder}`);
  if (!isSealed(kept)) return [...fetch, `cd ${from}`];
  const to = quoteForShell(`./${folder}.opened`);
  return [...fetch, `identity=${IDENTITY_FILE} from=${from} to=${to}`, `cd ${to}`];
}

function archiveBlocks(kept: KitDatabase, { id, archive, server }: ArchiveIndex): Block[] {
  const { database } = kept;
  const stored = archive.key.slice(databaseFolder(database).length);
  const name = isSealed(kept) ? stored.replace(/\.age$/i, "") : stored;
  const file = quoteForShell(name);
  const target = quoteForShell(server.database);
  const load =
    archive.format === "custom"
      ? `pg_restore --exit-on-error -d ${target} ${file}`
      : `${archive.compression === "gzip" ? "gunzip -c" : "zstd -dc"} ${file} | psql -X -v ON_ERROR_STOP=1 -d ${target}`;
  return [
    text(`The newest archive is ${id}; if a role is missing, make it with \`createuser\` and begin anew.`),
    commands(
      ...archiveLines(kept, archive.key, stored, file),
      `echo ${quoteForShell(`${archive.sha256}  ${name}`)} | sha256sum --check`,
      `createdb --template template0 ${target.startsWith("-") ? `-- ${target}` : target}`,
      load,
    ),
  ];
}

/** Ends in a folder that has the archive as it was written, under this name. */
function archiveLines(kept: KitDatabase, key: string, stored: string, file: string): string[] {
  const { place, database } = kept;
  const open = `age -d -i ${IDENTITY_FILE} -o ${file}`;
  if (place.startsWith("s3://")) {
    const fetch = `aws s3 cp ${s3Word(place, key)} ${quoteForShell(stored)}${awsOptions(place)}`;
    return isSealed(kept) ? [fetch, `${open} ${quoteForShell(stored)}`] : [fetch];
  }
  return isSealed(kept)
    ? [`${open} ${quoteForShell(`${place}/${key}`)}`]
    : [`cd ${quoteForShell(`${place}/${databaseFolder(database)}`)}`];
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
