import { scheduleProblem } from "../../config/schedule.ts";
import type { ApplicationAnswers, DatabaseAnswers } from "../../config/template.ts";
import type { Contact } from "../../config/strategy.ts";
import { timeZoneProblem } from "../../config/time-zone.ts";
import { AppError } from "../../errors.ts";
import { parseDuration } from "../../lib/duration.ts";
import { nearest } from "../../lib/text.ts";

/** The options of `handled init` that say something about the strategy. */
export interface InitOptions {
  readonly database?: readonly string[];
  readonly schemas?: readonly string[];
  readonly criticality?: readonly string[];
  readonly rpo?: readonly string[];
  readonly rto?: readonly string[];
  readonly kind?: readonly string[];
  readonly format?: readonly string[];
  readonly compression?: readonly string[];
  readonly schedule?: readonly string[];
  readonly keepDays?: number;
  readonly repository?: string;
  readonly timezone?: string;
  readonly appStop?: string;
  readonly appStart?: string;
  readonly appHealth?: string;
  readonly appRestart?: string;
  readonly appEnvFile?: string;
  readonly variable?: readonly string[];
  readonly contact?: readonly string[];
}

export const CRITICALITIES = ["critical", "high", "medium", "low"] as const;
export const KINDS = ["archive", "snapshot"] as const;
export const FORMATS = ["plain", "custom"] as const;
const COMPRESSIONS = ["gzip", "zstd"] as const;

/** The databases of `--database NAME=URL` with what the other options say of each. Throws `usage`. */
export function databaseAnswers(options: InitOptions): DatabaseAnswers[] {
  const databases = (options.database ?? []).map(parseDatabase);
  const names = databases.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new AppError("usage", `init: database ${twice} is given twice`);
  const schemas = perDatabase("schemas", options.schemas, names);
  const criticality = perDatabase("criticality", options.criticality, names);
  const rpo = perDatabase("rpo", options.rpo, names);
  const rto = perDatabase("rto", options.rto, names);
  const kind = perDatabase("kind", options.kind, names);
  const format = perDatabase("format", options.format, names);
  const compression = perDatabase("compression", options.compression, names);
  const variable = perDatabase("variable", options.variable, names);
  const schedule = perDatabase("schedule", options.schedule, names);
  for (const name of names.filter((each) => kind(each) === "snapshot")) {
    requireNone(name, { format: format(name), compression: compression(name) });
  }
  return databases.map(({ name, url }) => ({
    name,
    url,
    schemas: splitList(schemas(name)),
    criticality: oneOf("criticality", CRITICALITIES, criticality(name)),
    rpo: checked("rpo", durationProblem, rpo(name)),
    rto: checked("rto", durationProblem, rto(name)),
    kind: oneOf("kind", KINDS, kind(name)),
    format: oneOf("format", FORMATS, format(name)),
    compression: oneOf("compression", COMPRESSIONS, compression(name)),
    schedule: checked("schedule", scheduleProblem, schedule(name)),
    keepDays: options.keepDays,
    variable: checked("variable", variableProblem, variable(name)),
  }));
}

/** Throws `usage`. */
export function applicationAnswers({
  appStop,
  appStart,
  appHealth,
  appRestart,
  appEnvFile,
}: InitOptions): ApplicationAnswers | undefined {
  const more = { health: appHealth, restart: appRestart, envFile: appEnvFile };
  if ([appStop, appStart, ...Object.values(more)].every((one) => one === undefined)) return undefined;
  if (appStop !== undefined && appStart !== undefined) return { stop: appStop, start: appStart, ...more };
  throw new AppError("usage", "init: an application needs both `--app-stop` and `--app-start`", {
    hint: "such as `--app-stop 'pm2 stop api' --app-start 'pm2 restart api'`",
  });
}

/** `Ada Lovelace, on call, +44 20 7946 0000, ada@example.org, at night too` → a contact. Throws `usage`. */
export function parseContact(text: string): Contact {
  const [name = "", role = "", ...others] = text.split(",").map((part) => part.trim());
  if (name === "" || role === "") {
    throw new AppError("usage", `init: contact ${JSON.stringify(text)} needs a name and a role`, {
      hint: 'such as `--contact "Ada Lovelace, on call, +44 20 7946 0000"`',
    });
  }
  const email = others.find((part) => /^\S+@\S+$/.test(part));
  const phone = others.find((part) => /^\+?[\d][\d ()/-]+$/.test(part));
  const notes = others.filter((part) => part !== "" && part !== email && part !== phone);
  return {
    name,
    role,
    ...(email === undefined ? {} : { email }),
    ...(phone === undefined ? {} : { phone }),
    ...(notes.length === 0 ? {} : { note: notes.join(", ") }),
  };
}

/** Throws `usage`. */
export function timeZoneAnswer(name: string | undefined): string | undefined {
  return checked("timezone", timeZoneProblem, name);
}

export function variableProblem(text: string): string | undefined {
  return /^[A-Za-z_]\w*$/.test(text) ? undefined : "must be the name of an environment variable";
}

export function durationProblem(text: string): string | undefined {
  const ms = parseDuration(text);
  return ms === undefined || ms <= 0 ? "must be a duration such as `90s`, `30m`, `24h` or `7d`" : undefined;
}

/** `config, customer` → both; nothing → undefined, the whole database. */
export function splitList(text: string | undefined): string[] | undefined {
  const parts = (text ?? "").split(",").map((part) => part.trim());
  const filled = parts.filter((part) => part !== "");
  return filled.length === 0 ? undefined : filled;
}

/** What only an archive has would be ignored, which is not what whoever gave it expects. */
function requireNone(name: string, options: Readonly<Record<string, string | undefined>>): void {
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined) continue;
    throw new AppError("usage", `init: \`--${option}\` is nothing that a snapshot has, as ${name} gets`, {
      hint: `leave it out, or say whose it is: \`--${option} NAME=${value}\``,
    });
  }
}

function parseDatabase(text: string): { name: string; url: string } {
  const [, name, url] = /^([^=:/?\s]+)=(.+)$/s.exec(text) ?? [];
  // Without the name `service=data` would be read as one.
  if (name !== undefined && url !== undefined && /:\/\/|=|\$\{/.test(url)) return { name, url };
  throw new AppError("usage", "init: `--database` needs a name and a connection string", {
    hint: "such as `--database data=postgresql://user@host/database`, or `--database 'data=${DATA_URL}'`",
  });
}

/** What an option says of each database: `NAME=value` of that one, `value` alone of all. */
function perDatabase(
  option: string,
  values: readonly string[] | undefined,
  names: readonly string[],
): (name: string) => string | undefined {
  const parsed = (values ?? []).map((text) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined) return { name: undefined, value: text };
    if (names.includes(name)) return { name, value };
    const guess = nearest(name, names);
    throw new AppError(
      "usage",
      `init: \`--${option} ${text}\` is for a database that no \`--database\` gives`,
      {
        hint: guess === undefined ? `there are ${names.join(", ")}` : `did you mean ${guess}?`,
      },
    );
  });
  return (name) =>
    parsed.findLast((each) => each.name === name)?.value ??
    parsed.findLast((each) => each.name === undefined)?.value;
}

function oneOf<Value extends string>(
  option: string,
  values: readonly Value[],
  text: string | undefined,
): Value | undefined {
  if (text === undefined) return undefined;
  const found = values.find((value) => value === text);
  if (found !== undefined) return found;
  throw new AppError("usage", `init: \`--${option}\` must be one of ${values.join(", ")}, not ${text}`);
}

function checked(
  option: string,
  problemOf: (text: string) => string | undefined,
  text: string | undefined,
): string | undefined {
  const problem = text === undefined ? undefined : problemOf(text);
  if (problem === undefined) return text;
  throw new AppError("usage", `init: \`--${option}\` ${problem}, not ${JSON.stringify(text)}`);
}
