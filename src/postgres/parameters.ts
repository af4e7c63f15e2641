import { AppError } from "../errors.ts";
import { nearest } from "../lib/text.ts";

/** Connection parameters by libpq's keyword, as given: nothing is checked but the names. */
export type Parameters = Readonly<Record<string, string>>;

/** The keywords that decide where and how we connect, with the environment variable that also sets each. */
export const USED_PARAMETERS = {
  host: "PGHOST",
  hostaddr: "PGHOSTADDR",
  port: "PGPORT",
  dbname: "PGDATABASE",
  user: "PGUSER",
  password: "PGPASSWORD",
  passfile: "PGPASSFILE",
  service: "PGSERVICE",
  servicefile: "PGSERVICEFILE",
  sslmode: "PGSSLMODE",
  sslrootcert: "PGSSLROOTCERT",
  sslcert: "PGSSLCERT",
  sslkey: "PGSSLKEY",
  options: "PGOPTIONS",
  connect_timeout: "PGCONNECT_TIMEOUT",
  target_session_attrs: "PGTARGETSESSIONATTRS",
} as const;

export type UsedParameter = keyof typeof USED_PARAMETERS;

// They tune libpq without changing which server answers or whether it is trusted, so they may be left out.
const TUNING_PARAMETERS: ReadonlySet<string> = new Set([
  "application_name",
  "authtype",
  "channel_binding",
  "client_encoding",
  "fallback_application_name",
  "gssdelegation",
  "gssencmode",
  "gsslib",
  "keepalives",
  "keepalives_count",
  "keepalives_idle",
  "keepalives_interval",
  "krbsrvname",
  "load_balance_hosts",
  "max_protocol_version",
  "min_protocol_version",
  "ssl_max_protocol_version",
  "ssl_min_protocol_version",
  "sslcertmode",
  "sslcompression",
  "sslnegotiation",
  "sslsni",
  "tcp_user_timeout",
  "tty",
  "uselibpqcompat",
]);

// Leaving these out would connect where libpq refuses to: less safe than an error.
const REFUSED_PARAMETERS: ReadonlySet<string> = new Set([
  "replication",
  "require_auth",
  "requirepeer",
  "sslcrl",
  "sslcrldir",
  "sslkeylogfile",
  "sslpassword",
]);

/**
 * Fails with `usage` unless the keyword is one that libpq knows and we can honour.
 * `mayPrint` is false when the word could be the rest of a badly quoted password.
 */
export function checkParameterName(name: string, where: string, mayPrint: boolean): void {
  if (Object.hasOwn(USED_PARAMETERS, name) || TUNING_PARAMETERS.has(name)) return;
  if (REFUSED_PARAMETERS.has(name)) {
    throw new AppError("usage", `read ${where}: the parameter ${name} is not supported`, {
      hint: `take \`${name}\` out of the connection string`,
    });
  }
  if (!mayPrint) {
    throw new AppError("usage", `read ${where}: it has an unknown parameter`, {
      hint: "the password may hold a character that ends it; see the PostgreSQL manual, `Connection Strings`",
    });
  }
  const near = nearest(name, Object.keys(USED_PARAMETERS));
  throw new AppError("usage", `read ${where}: unknown parameter ${JSON.stringify(name)}`, {
    hint: near === undefined ? "use the names that `psql` takes" : `did you mean \`${near}\`?`,
  });
}
