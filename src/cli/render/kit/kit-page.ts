import type { Contact } from "../../../config/strategy.ts";
import { VERSION } from "../../../lib/program.ts";
import { counted, formatBytes, formatDuration } from "../../../lib/text.ts";
import type { KitDatabase, KitFacts } from "../../../operations/kit.ts";
import type { BackupIndex } from "../../../repository/manifest.ts";
import { quoteForShell } from "../../../operations/schedule/quoting.ts";
import { majorOf, parseVersion } from "../../../postgres/clients.ts";
import type { KitJson } from "../../../json/repository.ts";
import { formatTime } from "../time.ts";
import { contactSection } from "../page/contacts.ts";
import { byHandBlocks, IDENTITY_FILE, snapshotAppendix } from "./by-hand.ts";
import {
  blank,
  type Block,
  commands,
  facts,
  heading,
  type Page,
  type Section,
  text,
  warning,
} from "../page/page.ts";

interface KitWords {
  readonly facts: KitFacts;
  readonly timeZone: string;
  readonly contacts: readonly Contact[];
  /** By database: where its server is, without a password; null where that is not known. */
  readonly servers: ReadonlyMap<string, string>;
  readonly credentials: readonly Credential[];
  readonly withSecrets: boolean;
  /** Path of the strategy; null without one. */
  readonly strategy: string | null;
  /** docs/recover-without-handled.md */
  readonly document: string;
}

/** A value that the way back needs. */
export interface Credential {
  /** The variable to set. */
  readonly name: string;
  readonly what: string;
  /** Null: not printed, or not known here. */
  readonly value: string | null;
}

const GOOD_FOR_DAYS = 90;

/** Everything that somebody needs who has this page, an empty machine and the credentials. */
export function kitPage(kit: KitWords): Page {
  const { facts: found, timeZone, strategy } = kit;
  const day = (at: Date): string => formatTime(at, timeZone).slice(0, 10);
  const until = new Date(found.printedAt.getTime() + GOOD_FOR_DAYS * 86_400_000);
  const has = (kind: string): boolean =>
    found.databases.some(({ ofKinds }) => ofKinds.some((one) => one.kind === kind));
  const byName = [...Map.groupBy(found.databases, ({ database }) => database)];
  const hasCopies = byName.some(([, places]) => places.length > 1);
  return {
    title: "Recovery kit",
    lead: [
      `Printed ${formatTime(found.printedAt, timeZone)} (${timeZone}) on ${found.host}${strategy === null ? "" : `, from ${strategy}`}, by Handled ${VERSION}.`,
      `Print it anew by ${day(until)}, and whenever a repository, a key, a database or a person on it changes. Keep it where you can reach it when all your machines are gone.`,
    ],
    sections: [
      contactSection(kit.contacts),
      {
        title: "Bring the databases back",
        blocks: [
          heading("1. Take any Linux machine, and install"),
          text(installWords(found)),
          commands(`npm install --global handled@${VERSION}`),
          heading("2. Set these, in the shell that you use"),
          text(
            "`PGHOST`, `PGPORT`, `PGUSER` and `PGPASSWORD` say where the new server is. Its user should be a superuser; where a provider gives none, the one that may create databases.",
          ),
          ...credentialBlocks(kit),
          ...identityBlocks(kit),
          heading("3. Run one line for each database"),
          text(
            "Each checks the backup before it makes anything, makes a new database, and compares its rows before it gets its name. No strategy file is needed." +
              (hasCopies ? " Where a database is kept in several places, one of its lines is enough." : ""),
          ),
          ...byName.flatMap(([name, places]) => databaseBlocks(kit, name, places)),
          ...everythingBlocks(found),
          heading("4. Afterwards"),
          text(
            "Passwords of roles are in no backup: set them with `ALTER ROLE … PASSWORD …`. Then point the applications at the new server, and take a first backup of it.",
          ),
        ],
      },
      repositorySection(kit),
      { title: "Without Handled", blocks: byHandBlocks(found.databases, kit.document) },
      ...(has("snapshot") ? [snapshotAppendix(kit.document)] : []),
    ],
  };
}

export function kitJson(
  { printedAt, databases }: KitFacts,
  file: string | null,
  credentials: readonly Credential[],
): KitJson {
  return {
    printedAt: printedAt.toISOString(),
    file,
    credentials: [...new Set(credentials.map(({ name }) => name))],
    databases: databases.map((one) => ({
      database: one.database,
      place: one.place,
      recipients: [...one.recipients],
      command: restoreCommand(one),
      newest: one.newest === null ? null : { id: one.newest.id, snapshotAt: one.newest.snapshotAt },
      provenAt: one.proof?.proof.finishedAt ?? null,
      fault: one.fault?.message ?? null,
    })),
  };
}

/** The lowest major version whose programs read all of it. */
function installWords({ databases }: KitFacts): string {
  const indexes = databases.flatMap(({ newest, ofKinds }) => [
    ...(newest === null ? [] : [newest]),
    ...ofKinds,
  ]);
  const versions = indexes.map(({ client, server }) =>
    Math.max(server.versionNumber, parseVersion(client) ?? 0),
  );
  const major = versions.length === 0 ? undefined : majorOf(Math.max(...versions));
  const programs =
    major === undefined
      ? "PostgreSQL's programs"
      : `PostgreSQL's programs of version ${major} or newer (\`apt-get install postgresql-client-${major}\`), and a PostgreSQL server of version ${major} or newer to restore to`;
  return `Node 20 or newer with npm 11; ${programs}. Then:`;
}

function credentialBlocks({ credentials }: KitWords): Block[] {
  if (credentials.length === 0) return [];
  return [
    facts(
      credentials.map(({ name, what, value }) => [
        `\`${name}\``,
        value === null ? what : `${what}: \`${value}\``,
      ]),
    ),
    ...(credentials.every(({ value }) => value !== null) ? [] : [blank("They are kept")]),
  ];
}

function identityBlocks({ facts: { databases }, withSecrets }: KitWords): Block[] {
  const keys = new Set(databases.filter(isSealed).map(({ recipients }) => recipients.join(" or ")));
  if (keys.size === 0) return [];
  const asked = withSecrets ? ", nor does `--with-secrets` print it" : "";
  return [
    text(
      `Backups are encrypted to ${[...keys].join(", others to ")}. Put the file with the identity of that key into the folder that you work in, as \`${IDENTITY_FILE}\`; several go into it line by line.`,
    ),
    text(
      `The identity itself is never known here${asked}: \`handled key new\` printed it once, and machines that take backups do not have it.`,
    ),
    blank("The identity is kept"),
  ];
}

const isSealed = ({ recipients }: KitDatabase): boolean => recipients.length > 0;

/** The one line that restores on a machine that has nothing. */
function restoreCommand(kept: KitDatabase): string {
  const { database, place, newest } = kept;
  const what = [quoteForShell(database), "latest"];
  const target = encodeURIComponent(newest?.server.database ?? database);
  const to = ["--to", `postgresql:///${target}`];
  return [
    "handled restore",
    "--repository",
    quoteForShell(place),
    ...(isSealed(kept) ? ["--identity", IDENTITY_FILE] : []),
    // What begins with a dash would be taken for an option.
    ...(database.startsWith("-") ? [...to, "--", ...what] : [...what, ...to]),
  ].join(" ");
}

/** All of them step by step, from each place that has all. */
function everythingBlocks({ databases }: KitFacts): Block[] {
  const names = new Set(databases.map(({ database }) => database));
  const whole = [...Map.groupBy(databases, ({ place }) => place).values()].filter(
    (members) => members.length === names.size && members.every(({ newest }) => newest !== null),
  );
  if (names.size < 2 || whole.length === 0) return [];
  return [
    heading("Or all of them with one line"),
    text(
      "It goes from step to step, asks before it changes anything, and goes on where it was when it is typed again. Where the repository keeps the strategy, it is written here as `handled.yaml`, and the application is pointed at the new databases and started.",
    ),
    ...whole.map((members) => commands(everythingCommand(members))),
  ];
}

function everythingCommand(members: readonly KitDatabase[]): string {
  const [{ place } = { place: "" }] = members;
  return [
    "handled recover everything-lost",
    "--repository",
    quoteForShell(place),
    ...(members.some(isSealed) ? ["--identity", IDENTITY_FILE] : []),
    ...members.flatMap(({ database, newest }) => [
      "--to",
      quoteForShell(`${database}=postgresql:///${encodeURIComponent(newest?.server.database ?? database)}`),
    ]),
  ].join(" ");
}

/** The same facts of several places are told once. */
function databaseBlocks(kit: KitWords, name: string, places: readonly KitDatabase[]): Block[] {
  const told = new Set<string>();
  return [
    heading(name),
    ...places.flatMap((kept) => {
      const from = places.length === 1 ? [] : [text(`From ${kept.place}:`)];
      const { fault } = kept;
      if (fault !== null) {
        return [
          ...from,
          warning(`Its repository could not be read when this was printed: ${fault.message}`),
          commands(restoreCommand(kept)),
        ];
      }
      if (kept.newest === null) {
        return [...from, warning("There is no good backup of it. Take one, and print this anew.")];
      }
      const rows = factsOf(kit, kept, kept.newest).filter((row) => !told.has(row.join("\n")));
      for (const row of rows) told.add(row.join("\n"));
      return [...from, commands(restoreCommand(kept)), ...(rows.length === 0 ? [] : [facts(rows)])];
    }),
  ];
}

function factsOf(
  kit: KitWords,
  { database, proof, backups }: KitDatabase,
  newest: BackupIndex,
): [string, string][] {
  const time = (at: string): string => formatTime(new Date(at), kit.timeZone);
  const server = kit.servers.get(database);
  return [
    [
      "newest good backup",
      `${time(newest.snapshotAt)}, ${newest.kind} ${newest.id}, ${counted(newest.totals.rows, "row")}`,
    ],
    ["room it needs", `${formatBytes(newest.totals.serverBytes)} on the server`],
    [
      "newest proof",
      proof === null
        ? "none: no backup that is there was ever restored and compared"
        : `${time(proof.proof.finishedAt)}, ${proof.proof.proven ?? proof.proof.level} of ${proof.index.id}${restoredIn(proof.proof.durations.restoreMs)}`,
    ],
    [
      "other backups",
      `${counted(backups - 1, "older one", "older ones")}: write its id in place of \`latest\``,
    ],
    ["came from", `PostgreSQL ${newest.server.version}${server === undefined ? "" : `, ${server}`}`],
    ...(newest.schemas === null ? [] : [["holds only", newest.schemas.join(", ")] as [string, string]]),
  ];
}

function restoredIn(ms: number | null): string {
  return ms === null ? "" : `, restored in ${formatDuration(ms)}`;
}

function keyWords(members: readonly KitDatabase[], recipients: readonly string[]): string {
  if (recipients.length > 0) return `the identity of ${recipients.join(" or ")}`;
  return members.some(({ fault }) => fault !== null)
    ? "not known: it could not be read when this was printed"
    : "none is needed: it is not encrypted";
}

function repositorySection({ facts: { databases, host } }: KitWords): Section {
  const places = Map.groupBy(databases, ({ place }) => place);
  return {
    title: "Where the backups are",
    blocks: [...places].flatMap(([place, members]) => {
      const isFolder = !place.startsWith("s3://");
      const recipients = [...new Set(members.flatMap((member) => member.recipients))];
      return [
        facts([
          [isFolder ? "folder" : "bucket", isFolder ? `${place} on ${host}` : place],
          ["holds", members.map(({ database }) => database).join(", ")],
          ["key", keyWords(members, recipients)],
        ]),
        ...(isFolder
          ? [
              warning(
                `This folder is as safe as ${host} and its disk are. Where it is a disk that can be carried, mount it and write its path in place of this one.`,
              ),
            ]
          : []),
      ];
    }),
  };
}
