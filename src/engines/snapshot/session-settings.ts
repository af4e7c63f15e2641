/**
 * Settings under which rows become text, fixed so that the same row always gives the same bytes, whatever the server's,
 * the database's or the role's own settings are. PostgreSQL manual, "Client Connection Defaults" and "COPY".
 */
export const COPY_SETTINGS: readonly string[] = [
  // An error rather than rows silently left out by a policy.
  "set local row_security = off",
  "set local search_path = ''",
  "set local datestyle = 'ISO, YMD'",
  "set local intervalstyle = 'postgres'",
  "set local timezone = 'UTC'",
  "set local extra_float_digits = 3",
  "set local bytea_output = 'hex'",
  "set local quote_all_identifiers = off",
  "set local lc_monetary = 'C'",
  "set local xmloption = 'content'",
  // A range must be read by its tuple ids and in their order, in one pass.
  "set local enable_seqscan = off",
  "set local max_parallel_workers_per_gather = 0",
  "set local synchronize_seqscans = off",
  "set local jit = off",
  "set local statement_timeout = 0",
  "set local idle_in_transaction_session_timeout = 0",
];
