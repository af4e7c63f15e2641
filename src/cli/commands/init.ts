import type { Command } from "commander";
import { dirname, join, resolve } from "node:path";
import { hasReferences, interpolate } from "../../config/interpolate.ts";
import { parseStrategy } from "../../config/load.ts";
import type { Problem } from "../../config/problems.ts";
import {
  type ApplicationAnswers,
  type DatabaseAnswers,
  type StrategyAnswers,
  strategyTemplate,
} from "../../config/template.ts";
import { AppError, inOperation } from "../../errors.ts";
import { neededVariables } from "../../operations/schedule/environment.ts";
import { quoteForShell } from "../../operations/schedule/quoting.ts";
import { resolveConnection } from "../../postgres/connection.ts";
import type { Cli } from "../cli.ts";
import type { InitJson } from "../../json/setup.ts";
import { many, positiveInteger } from "../options.ts";
import { askerOf, type Asker } from "../prompt.ts";
import {
  applicationAnswers,
  databaseAnswers,
  type InitOptions,
  parseContact,
  timeZoneAnswer,
} from "./init-answers.ts";
import { writeStrategyFiles } from "./init-files.ts";
import { withVariables } from "./init-variable.ts";
import { askApplication, askDatabases, askRepository, askTimeZone } from "./init-questions.ts";

interface Options extends InitOptions {
  readonly force?: true;
  readonly yes?: true;
}

export function addInit(program: Command, cli: () => Cli): void {
  program
    .command("init")
    .summary("write a strategy")
    .description(
      "Writes a commented strategy to ./handled.yaml (or to --config) and its JSON Schema beside it. Asks for what it needs, unless --database and --repository are given. An option of a database is `NAME=value`, or `value` for all.",
    )
    .option(
      "--database <name=url>",
      "a database to protect; a password in the URL goes to handled.env, and `${VARIABLE}` is kept as it is (may be repeated)",
      many,
    )
    .option("--schemas <name=a,b>", "only these schemas of a database (may be repeated)", many)
    .option("--criticality <name=level>", "critical, high, medium or low (may be repeated)", many)
    .option("--rpo <name=duration>", "the most data, as time, that may be lost: 24h (may be repeated)", many)
    .option("--rto <name=duration>", "the longest outage that is acceptable: 4h (may be repeated)", many)
    .option(
      "--kind <name=kind>",
      "archive: one file, made by pg_dump (default); snapshot: reads and stores only what changed (may be repeated)",
      many,
    )
    .option("--format <name=format>", "of an archive: plain or custom (may be repeated)", many)
    .option("--compression <name=compression>", "of an archive: gzip or zstd (may be repeated)", many)
    .option("--schedule <name=cron>", 'when to back up: "0 2 * * *" (may be repeated)', many)
    .option("--keep-days <count>", "how many days to keep a backup", positiveInteger)
    .option("--repository <place>", "folder or URL where backups are kept")
    .option("--timezone <name>", "time zone of schedules and file names, such as Europe/Berlin")
    .option("--app-stop <command>", "shell command that stops the application before a swap")
    .option("--app-start <command>", "shell command that starts it afterwards")
    .option("--app-health <url>", "address that answers once it works again")
    .option(
      "--app-restart <command>",
      "shell command that restarts it once a variable in its .env has changed (default: stop, then start)",
    )
    .option(
      "--app-env-file <path>",
      "its .env, in which a recovery on another server changes the URLs of databases",
    )
    .option(
      "--variable <name=variable>",
      "the variable in that file with the URL of a database (default: the one that leads to it, else NAME_DATABASE_URL; may be repeated)",
      many,
    )
    .option("--contact <person>", '"name, role, phone, e-mail, note" of whom to call (may be repeated)', many)
    .option("--force", "replace files that are there")
    .option("--yes", "never ask; take what the options say")
    .action(async (options: Options) => {
      await runInit(cli(), options);
    });
}

async function runInit(cli: Cli, options: Options): Promise<void> {
  const path = resolve(cli.cwd, cli.config ?? "handled.yaml");
  const answers = await collectAnswers(cli, options);
  const { yaml, environment } = strategyTemplate(answers);
  checkText(cli, yaml, path, environment);
  const files = await writeStrategyFiles(
    { path, yaml, environment, force: options.force === true },
    cli.signal,
  );
  const names = answers.databases.map(({ name }) => name);
  const variables = neededVariables(yaml, names);
  const next = nextSteps(cli, { path, environmentFile: files.environmentFile });
  const report: InitJson = { strategy: path, ...files, variables, databases: names, next };
  cli.output.result(report, () => render(cli, report));
  const unset = variables.filter(
    (name) => !Object.hasOwn(environment, name) && cli.runtime.env[name] === undefined,
  );
  if (unset.length > 0) cli.output.warn(`the strategy needs variables that are not set: ${unset.join(", ")}`);
}

async function collectAnswers(cli: Cli, options: Options): Promise<StrategyAnswers> {
  const given = databaseAnswers(options);
  for (const { name, url } of given) await checkUrl(cli, name, url);
  const application = applicationAnswers(options);
  const timezone = timeZoneAnswer(options.timezone);
  const contacts = (options.contact ?? []).map(parseContact);
  const { repository } = options;
  if (given.length > 0 && repository !== undefined) {
    const known = await withApplication(cli, undefined, given, application);
    return { ...known, repository: absolute(cli, repository), timezone, contacts };
  }
  const ask = options.yes === true ? undefined : askerOf(cli, "write a strategy");
  if (ask === undefined) throw nobodyToAsk(given.length > 0);
  const databases = given.length > 0 ? given : await askDatabases(cli, ask);
  return {
    repository: absolute(cli, repository ?? (await askRepository(ask, proposedRepository(cli)))),
    timezone: timezone ?? (await askTimeZone(ask)),
    ...(await withApplication(cli, ask, databases, application ?? (await askApplication(ask)))),
    contacts: contacts.length > 0 ? contacts : await askContacts(ask),
  };
}

/** The application with the path of its `.env` as it is meant from here, and the databases with their variables in it. */
async function withApplication(
  cli: Cli,
  ask: Asker | undefined,
  databases: readonly DatabaseAnswers[],
  application: ApplicationAnswers | undefined,
): Promise<Pick<StrategyAnswers, "databases" | "application">> {
  if (application?.envFile === undefined) return { databases, application };
  const envFile = absolute(cli, application.envFile);
  return {
    databases: await withVariables(cli, ask, databases, envFile),
    application: { ...application, envFile },
  };
}

async function askContacts(ask: Asker): Promise<ReturnType<typeof parseContact>[]> {
  const answer = await ask.text({
    message: "Whom to call when it happens: name, role, phone, e-mail (empty: later)",
    placeholder: "Ada Lovelace, on call, +44 20 7946 0000",
    check: (text) =>
      text === "" || /^[^,]+,\s*[^,\s]/.test(text)
        ? undefined
        : "Give a name and a role, separated by a comma",
  });
  return answer === "" ? [] : [parseContact(answer)];
}

function nobodyToAsk(hasDatabases: boolean): AppError {
  const missing = hasDatabases ? "`--repository`" : "`--database` and `--repository`";
  return new AppError("usage", `init: ${missing} must be given where nobody can be asked`, {
    hint: "such as `handled init --database data=postgresql://user@host/database --repository /var/backups/handled`",
  });
}

/** A mistyped connection string is better found now than at night. Passwords in it become known as secrets. */
async function checkUrl(cli: Cli, name: string, url: string): Promise<void> {
  const known = interpolate(cli.runtime, url);
  // A variable may be set only where the backups run.
  if ("problem" in known && hasReferences(url)) return;
  try {
    await resolveConnection(cli.runtime, "text" in known ? known.text : url, cli.signal);
  } catch (error) {
    throw error instanceof AppError ? inOperation(`init: database ${name}`, error) : error;
  }
}

/** The template knows how to write a strategy, and the strategy's own schema whether it is one. */
function checkText(
  cli: Cli,
  yaml: string,
  path: string,
  environment: Readonly<Record<string, string>>,
): void {
  const runtime = { ...cli.runtime, env: { ...cli.runtime.env, ...environment } };
  try {
    parseStrategy(runtime, yaml, path);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const problems = (error.details["problems"] ?? []) as readonly Problem[];
    const messages = problems.map(({ message }) => message).join("; ");
    throw new AppError("usage", `init: these answers make no strategy: ${messages || error.message}`, {
      cause: error,
      hint: "nothing was written",
    });
  }
}

/** What is typed is meant from here; in the strategy a relative folder starts at its own. */
function absolute(cli: Cli, path: string): string {
  const isElsewhere = /^[a-z][a-z0-9+.-]*:\/\//i.test(path) || /^~(?:\/|$)/.test(path);
  return isElsewhere || hasReferences(path) ? path : resolve(cli.cwd, path);
}

function proposedRepository(cli: Cli): string {
  const home = cli.runtime.env["HOME"];
  return process.getuid?.() === 0 || home === undefined
    ? "/var/backups/handled"
    : join(home, "backups/handled");
}

function nextSteps(cli: Cli, written: { path: string; environmentFile: string | null }): string[] {
  const { path, environmentFile } = written;
  const isHere = dirname(path) === cli.cwd;
  const config = path === join(cli.cwd, "handled.yaml") ? "" : ` --config ${quoteForShell(path)}`;
  const source =
    environmentFile === null
      ? []
      : [`set -a; . ${isHere ? "./handled.env" : quoteForShell(environmentFile)}; set +a`];
  return [
    ...source,
    `handled doctor${config}`,
    `handled backup${config}`,
    `handled schedule install${config}`,
  ];
}

function render(cli: Cli, report: InitJson): string {
  const done = cli.output.paint("green", "✓");
  return [
    `${done} wrote ${report.strategy}: the strategy, for you to read and change`,
    `${done} wrote ${report.schema}: with it, editors explain every key`,
    ...(report.environmentFile === null
      ? []
      : [
          `${done} wrote ${report.environmentFile}: passwords, readable by you alone; keep it out of version control`,
        ]),
    "next:",
    ...report.next.map((line) => `  ${line}`),
  ].join("\n");
}
