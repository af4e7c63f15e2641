import { interpolate } from "../../config/interpolate.ts";
import { hasLiteralPassword } from "../../config/literal-password.ts";
import { scheduleProblem } from "../../config/schedule.ts";
import { type ApplicationAnswers, type DatabaseAnswers, DEFAULT_SCHEDULES } from "../../config/template.ts";
import { systemTimeZone, timeZoneProblem } from "../../config/time-zone.ts";
import { AppError } from "../../errors.ts";
import { listSchemas } from "../../postgres/catalog.ts";
import { type ConnectionSettings, describeConnection, resolveConnection } from "../../postgres/connection.ts";
import { connect } from "../../postgres/session.ts";
import type { Cli } from "../cli.ts";
import type { Asker } from "../prompt.ts";
import { CRITICALITIES, durationProblem, FORMATS, KINDS, splitList } from "./init-answers.ts";

/** Asks for one database after the other. */
export async function askDatabases(cli: Cli, ask: Asker): Promise<DatabaseAnswers[]> {
  const databases: DatabaseAnswers[] = [];
  do {
    const taken = databases.map(({ name }) => name);
    databases.push(await askDatabase(cli, ask, taken));
  } while (await ask.confirm("Another database?"));
  return databases;
}

async function askDatabase(cli: Cli, ask: Asker, taken: readonly string[]): Promise<DatabaseAnswers> {
  const url = await askUrl(cli, ask);
  const settings = await settingsOf(cli, url);
  const name = await ask.text({
    message: "Its name, in commands and in the repository",
    initial: settings?.database ?? "",
    check: (answer) => {
      if (answer === "") return "Give it a name";
      return taken.includes(answer) ? "There is one of this name already" : undefined;
    },
  });
  return {
    name,
    url,
    schemas: await askSchemas(cli, ask, settings),
    criticality: await ask.choose("How badly would its loss hurt?", choicesOf(CRITICALITIES), "medium"),
    rpo: await ask.text({
      message: "The most data, as time, that may be lost (RPO)",
      initial: "24h",
      check: durationProblem,
    }),
    rto: await ask.text({
      message: "The longest outage that is acceptable (RTO)",
      initial: "4h",
      check: durationProblem,
    }),
    ...(await askHow(ask)),
    keepDays: Number(
      await ask.text({
        message: "How many days to keep a backup",
        initial: "14",
        check: (answer) => (/^[1-9]\d{0,4}$/.test(answer) ? undefined : "Give a whole number from 1 on"),
      }),
    ),
  };
}

async function askHow(ask: Asker): Promise<Pick<DatabaseAnswers, "kind" | "format" | "schedule">> {
  const kind = await ask.choose(
    "Kind of its backups",
    [
      { value: KINDS[0], hint: "one file, made by pg_dump" },
      { value: KINDS[1], hint: "reads and stores only what changed since the last one" },
    ],
    KINDS[0],
  );
  const formats = [
    { value: FORMATS[0], hint: "SQL text for psql" },
    { value: FORMATS[1], hint: "for pg_restore" },
  ];
  return {
    kind,
    format: kind === "archive" ? await ask.choose("Format of its backups", formats, FORMATS[0]) : undefined,
    schedule: await ask.text({
      message: "When to back it up: minute, hour, day of month, month, day of week",
      initial: DEFAULT_SCHEDULES[kind],
      check: scheduleProblem,
    }),
  };
}

/** A connection string; one that is a URL with a user and no password may get one, typed without being shown. */
async function askUrl(cli: Cli, ask: Asker): Promise<string> {
  const url = await ask.text({
    message: "Connection string of the database to protect",
    placeholder: "postgresql://user@host:5432/database",
    check: (answer) => (answer === "" ? "Give a connection string as psql takes it" : undefined),
  });
  const [, begin, end] = /^([a-z]+:\/\/[^/@:]+)(@.*)$/is.exec(url) ?? [];
  if (begin === undefined || end === undefined || url.includes("${") || hasLiteralPassword(url)) return url;
  const password = await ask.secret("Its password (empty: none, or it is in ~/.pgpass)");
  if (password === "") return url;
  cli.runtime.secrets.add(password);
  return `${begin}:${encodeURIComponent(password)}${end}`;
}

/** What the connection string means here and now; undefined, with a word why, where that cannot be said. */
async function settingsOf(cli: Cli, url: string): Promise<ConnectionSettings | undefined> {
  const known = interpolate(cli.runtime, url);
  if ("problem" in known) {
    cli.output.note(`the connection string ${known.problem}, so the server is not asked`);
    return undefined;
  }
  return await unlessFailed(cli, async () => await resolveConnection(cli.runtime, known.text, cli.signal));
}

/** Proposes the schemas that the server has; where it does not answer, they are typed. Undefined is the whole database. */
async function askSchemas(
  cli: Cli,
  ask: Asker,
  settings: ConnectionSettings | undefined,
): Promise<string[] | undefined> {
  const present =
    settings === undefined ? undefined : await unlessFailed(cli, async () => await schemasOf(cli, settings));
  if (present === undefined) {
    return splitList(
      await ask.text({ message: "Schemas to protect, separated by commas (empty: the whole database)" }),
    );
  }
  if (present.length < 2) return undefined;
  const chosen = await ask.chooseMany(
    "Schemas to protect (all: the whole database, also what is added later)",
    present,
  );
  return chosen.length === present.length ? undefined : chosen;
}

async function schemasOf(cli: Cli, settings: ConnectionSettings): Promise<string[]> {
  await using session = await connect(cli.runtime, settings, cli.signal);
  const schemas = await listSchemas(session);
  cli.output.note(`connected to ${describeConnection(session.settings)}`);
  return schemas;
}

/** A server that cannot be reached from here, now, does not keep anybody from writing a strategy. */
async function unlessFailed<Result>(cli: Cli, find: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await find();
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "interrupted" || cli.signal.aborted) throw error;
    cli.output.warn(
      `${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}; going on without`,
    );
    return undefined;
  }
}

export async function askRepository(ask: Asker, proposal: string): Promise<string> {
  return await ask.text({
    message: "Folder for the backups, best not on the disk of the database",
    initial: proposal,
    check: (answer) => (answer === "" ? "Give a folder" : undefined),
  });
}

export async function askTimeZone(ask: Asker): Promise<string> {
  return await ask.text({
    message: "Time zone of schedules and file names",
    initial: systemTimeZone(),
    check: timeZoneProblem,
  });
}

export async function askApplication(ask: Asker): Promise<ApplicationAnswers | undefined> {
  if (!(await ask.confirm("Is there an application to stop while a restored database is put in place?")))
    return undefined;
  const needed = (answer: string): string | undefined => (answer === "" ? "Give a shell command" : undefined);
  const stop = await ask.text({
    message: "Command that stops it",
    placeholder: "pm2 stop handled-api",
    check: needed,
  });
  const start = await ask.text({
    message: "Command that starts it",
    placeholder: "pm2 restart handled-api",
    check: needed,
  });
  const health = await ask.text({
    message: "Address that answers once it works again (empty: none)",
    placeholder: "http://127.0.0.1:3000/health",
    check: (answer) =>
      answer === "" || /^https?:\/\//.test(answer) ? undefined : "It begins with http:// or https://",
  });
  const restart = await ask.text({
    message: "Command that restarts it once a variable in its `.env` has changed (empty: stop, then start)",
    placeholder: "pm2 restart handled-api --update-env",
  });
  const envFile = await ask.text({
    message:
      "Its `.env`, in which a recovery on another server changes the URL of the database (empty: none)",
    placeholder: "/srv/handled-api/.env",
  });
  const orNone = (answer: string): string | undefined => (answer === "" ? undefined : answer);
  return { stop, start, health: orNone(health), restart: orNone(restart), envFile: orNone(envFile) };
}

function choicesOf<Value extends string>(values: readonly Value[]): { value: Value }[] {
  return values.map((value) => ({ value }));
}
