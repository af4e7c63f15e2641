import { AppError } from "../errors.ts";
import { escapeReferences, hasReferences, parseReferences } from "./interpolate.ts";
import { hasLiteralPassword } from "./literal-password.ts";
import type { Contact, StrategyDatabase } from "./strategy.ts";
import { yamlList, yamlScalar } from "./yaml-text.ts";

/** What `handled init` asks for. Texts are meant literally, except that URLs and folders may have `${NAME}` in them. */
export interface StrategyAnswers {
  readonly databases: readonly DatabaseAnswers[];
  /** Folder or URL of the one repository. */
  readonly repository: string;
  readonly timezone?: string | undefined;
  readonly archivePrefix?: string | undefined;
  readonly application?: ApplicationAnswers | undefined;
  readonly contacts?: readonly Contact[] | undefined;
}

export interface DatabaseAnswers {
  readonly name: string;
  /** A connection string, with or without `${NAME}`; a password in it goes to the environment. */
  readonly url: string;
  readonly schemas?: readonly string[] | undefined;
  readonly criticality?: StrategyDatabase["criticality"] | undefined;
  /** Durations as the strategy writes them: `24h`. */
  readonly rpo?: string | undefined;
  readonly rto?: string | undefined;
  readonly kind?: "archive" | "snapshot" | undefined;
  /** Of an archive. */
  readonly format?: "plain" | "custom" | undefined;
  readonly compression?: "gzip" | "zstd" | undefined;
  readonly schedule?: string | undefined;
  readonly keepDays?: number | undefined;
  /** The variable in the application's `.env` that has its URL. */
  readonly variable?: string | undefined;
}

export interface ApplicationAnswers {
  readonly stop: string;
  readonly start: string;
  readonly health?: string | undefined;
  readonly restart?: string | undefined;
  /** Path of its `.env`. */
  readonly envFile?: string | undefined;
}

export interface StrategyText {
  readonly yaml: string;
  /** Variables that the strategy refers to and the user must set: connection strings that hold a password. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * A commented strategy for these answers. Answers are not checked here: give the text to `parseStrategy` before
 * writing it. Fails with `usage` for a URL with both a literal password and references.
 */
export function strategyTemplate(answers: StrategyAnswers): StrategyText {
  const environment: Record<string, string> = {};
  const databases = answers.databases.map((database, index) => {
    const url = urlExpression(database, environment);
    // One explanation is enough: the comments stand at the first database only.
    return databaseLines(database, url).filter((line) => index === 0 || !line.trimStart().startsWith("#"));
  });
  const lines = [
    ...HEADER,
    ...generalLines(answers),
    "databases:",
    ...databases.flat(),
    ...applicationLines(answers.application),
    ...RECOVERY,
    ...contactLines(answers.contacts ?? []),
    ...NOTIFY,
  ];
  return { yaml: `${lines.join("\n")}\n`, environment };
}

// In comments, `# ` begins an explanation, and `#` with anything else a line to be used without it.
const HEADER = [
  "# yaml-language-server: $schema=./handled.schema.json",
  "# The backup strategy. `handled config check` checks it; `handled config schema > handled.schema.json` makes the",
  "# file named above, with which editors complete and explain every key.",
  "# ${NAME} is replaced by an environment variable, ${NAME:-default} has a fallback, and $${ is a literal ${.",
  "",
  "version: 1",
  "",
];

function generalLines({ timezone, archivePrefix, repository }: StrategyAnswers): string[] {
  return [
    "# For file names, schedules and retention. Without it the machine's own.",
    timezone === undefined ? "#timezone: Europe/Berlin" : `timezone: ${yamlScalar(timezone)}`,
    "",
    ...(archivePrefix === undefined ? [] : [`archivePrefix: ${yamlScalar(archivePrefix)}`, ""]),
    "# Where backups are kept: best not on the disk that holds the database.",
    "repositories:",
    "  local:",
    `    url: ${yamlScalar(expression(repository))}`,
    "  #bucket:",
    "  #  url: s3://my-bucket/handled?endpoint=https://fra1.digitaloceanspaces.com&region=fra1",
    "  #  accessKey: ${SPACES_ACCESS_KEY}",
    "  #  secretKey: ${SPACES_SECRET_KEY}",
    "",
  ];
}

function databaseLines(database: DatabaseAnswers, url: string): string[] {
  const { name, schemas, variable, criticality = "medium", rpo = "24h", rto = "4h" } = database;
  return [
    `  ${yamlScalar(name)}:`,
    "    # A connection string as psql takes it. Keep passwords out of this file: use ${NAME}, or ~/.pgpass.",
    `    url: ${yamlScalar(url)}`,
    ...(variable === undefined
      ? []
      : [
          "    # The variable in the application's `envFile` that has its URL: a recovery on another server changes it.",
          `    variable: ${yamlScalar(variable)}`,
        ]),
    "    # Only these schemas; without the line the whole database.",
    schemas === undefined
      ? "    #schemas: [public]"
      : `    schemas: ${yamlList(schemas.map(escapeReferences))}`,
    "    # critical, high, medium or low.",
    `    criticality: ${criticality}`,
    "    # The most data, as time, that may be lost (rpo), and the longest outage (rto).",
    `    objectives: { rpo: ${yamlScalar(rpo)}, rto: ${yamlScalar(rto)} }`,
    "    repository: local",
    ...backupLines(database),
    "",
  ];
}

/** When a backup of each kind is taken unless somebody says otherwise: a snapshot reads only what changed. */
export const DEFAULT_SCHEDULES = { archive: "0 2 * * *", snapshot: "0 * * * *" } as const;

function backupLines(database: DatabaseAnswers): string[] {
  const { kind = "archive", schedule = DEFAULT_SCHEDULES[kind], keepDays = 14 } = database;
  return [
    "    backups:",
    `      - name: ${kind === "archive" ? "nightly" : "regular"}`,
    "        # archive is one file, made by pg_dump; a snapshot reads and stores only what changed since the last one.",
    `        kind: ${kind}`,
    ...(kind === "archive" ? archiveLines(database) : []),
    "        # Minute, hour, day of month, month, day of week.",
    `        schedule: ${yamlScalar(schedule)}`,
    "        # Those younger than so many days stay, and never fewer than `min`, whatever their age.",
    `        keep: { days: ${keepDays}, min: 3 }`,
  ];
}

function archiveLines({ format = "plain", compression = "gzip" }: DatabaseAnswers): string[] {
  return [
    "        # plain is SQL text for psql; custom is for pg_restore.",
    `        format: ${format}`,
    `        compression: ${compression}`,
  ];
}

function applicationLines(application: ApplicationAnswers | undefined): string[] {
  const about = [
    "# Stopped before a restored database is swapped in, and started afterwards. Shell commands, run as they are.",
  ];
  if (application === undefined)
    return [
      ...about,
      "#application:",
      "#  stop: pm2 stop handled-api",
      "#  start: pm2 restart handled-api",
      "#  health: http://127.0.0.1:3000/health",
      "#  envFile: /srv/handled-api/.env",
      "",
    ];
  const { stop, start, health, restart, envFile } = application;
  return [
    ...about,
    "application:",
    `  stop: ${yamlScalar(stop)}`,
    `  start: ${yamlScalar(start)}`,
    ...(health === undefined ? [] : [`  health: ${yamlScalar(escapeReferences(health))}`]),
    ...(restart === undefined
      ? []
      : [
          "  # Once a variable in its `.env` has changed; without it `stop`, then `start`.",
          `  restart: ${yamlScalar(restart)}`,
        ]),
    "  # Its `.env`, in which a recovery on another server changes what `variable: NAME` of the database names.",
    envFile === undefined
      ? "  #envFile: /srv/handled-api/.env"
      : `  envFile: ${yamlScalar(expression(envFile))}`,
    "",
  ];
}

const RECOVERY = [
  "# How long a database that was replaced stays on the server.",
  "recovery: { keepReplaced: 7d }",
  "",
];

const NOTIFY = [
  "",
  "# Who is told when something is wrong, and when it is over; `handled notify test` tries it. Also email, webhook and ping.",
  "#notify:",
  "#  channels:",
  "#    team:",
  "#      kind: slack",
  "#      url: ${SLACK_WEBHOOK_URL}",
  "",
  "# What to do when something is lost, kept written by `handled serve`; Markdown where it ends in .md.",
  "#runbook: { file: runbook.html }",
];

function contactLines(contacts: readonly Contact[]): string[] {
  const about = "# Whom to call when it happens.";
  const example = [
    "#contacts:",
    "#  - name: Ada Lovelace",
    "#    role: on call",
    '#    phone: "+44 20 7946 0000"',
  ];
  if (contacts.length === 0) return [about, ...example];
  const entries = contacts.map(({ name, role, email, phone, note }) =>
    Object.entries({ name, role, email, phone, note })
      .filter((entry): entry is [string, string] => entry[1] !== undefined)
      .map(
        ([key, value], index) =>
          `  ${index === 0 ? "-" : " "} ${key}: ${yamlScalar(escapeReferences(value))}`,
      ),
  );
  return [about, "contacts:", ...entries.flat()];
}

/** What stands in the file for a connection string; one with a password goes to `environment` under a new name. */
function urlExpression({ name, url }: DatabaseAnswers, environment: Record<string, string>): string {
  if (!hasLiteralPassword(url)) return expression(url);
  if (hasReferences(url))
    throw new AppError("usage", `write strategy: the URL of ${name} has both a password and \`\${…}\``, {
      hint: "give it with its real values, or use `${…}` for the password too",
    });
  const variable = freeName(name, environment);
  environment[variable] = url;
  return `\${${variable}}`;
}

/** A text with references stays; any other is meant literally. */
function expression(text: string): string {
  return "pieces" in parseReferences(text) ? text : escapeReferences(text);
}

/** `my-db` → `MY_DB_DATABASE_URL`. */
export function conventionalVariable(database: string): string {
  const words = database
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, "_")
    .replaceAll(/^_|_$/g, "")
    .replace(/^(?=\d)/, "_");
  // Not plain DATABASE_URL for a name without letters: applications have one of that name, for another database.
  return `${words === "" ? "HANDLED" : words}_DATABASE_URL`;
}

/** The same, or with a number when another database has that one. */
function freeName(database: string, taken: Readonly<Record<string, string>>): string {
  const base = conventionalVariable(database);
  const names = [base, ...Object.keys(taken).map((_, index) => `${base}_${index + 2}`)];
  return names.find((name) => !Object.hasOwn(taken, name)) ?? base;
}
