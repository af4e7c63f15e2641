/**
 * Settings under which rows become text, fixed so that the same row always gives the same bytes, whatever the server's,
 * the database's or the role's own settings are. PostgreSQL manual, "Client Connection Defaults" and "COPY".
 */
const TEXT_SETTINGS = {
  // An error rather than rows silently left out by a policy.
  row_security: "off",
  search_path: "",
  datestyle: "ISO, YMD",
  intervalstyle: "postgres",
  timezone: "UTC",
  extra_float_digits: "3",
  bytea_output: "hex",
  quote_all_identifiers: "off",
  lc_monetary: "C",
  xmloption: "content",
} as const;

/** Settings under which a range can only be read by its tuple ids, in their order and in one pass. */
const PLAN_SETTINGS = {
  enable_seqscan: "off",
  enable_indexscan: "off",
  enable_indexonlyscan: "off",
  enable_bitmapscan: "off",
  enable_tidscan: "on",
  max_parallel_workers_per_gather: "0",
  synchronize_seqscans: "off",
  jit: "off",
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
} as const;

/** One statement that makes all of these settings for the running transaction. */
export const SET_COPY_SETTINGS = `select ${Object.entries({ ...TEXT_SETTINGS, ...PLAN_SETTINGS })
  .map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`)
  .join(", ")}`;

/** What the text of the rows depends on, as one line: two snapshots of the same line can be compared. */
export const TEXT_SETTINGS_LINE = Object.entries(TEXT_SETTINGS)
  .map(([name, value]) => `${name}=${value}`)
  .join("; ");
