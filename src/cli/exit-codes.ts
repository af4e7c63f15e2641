/** What a script can tell from the exit code. These stay. */
export const EXIT_CODES: readonly { readonly code: number; readonly meaning: string }[] = [
  { code: 0, meaning: "done" },
  { code: 1, meaning: "failed" },
  { code: 2, meaning: "wrong usage or strategy" },
  { code: 3, meaning: "done in part" },
  { code: 4, meaning: "unhealthy or not proven" },
  { code: 10, meaning: "no repository" },
  { code: 11, meaning: "someone else holds the lease" },
  { code: 12, meaning: "wrong key" },
  { code: 13, meaning: "backup damaged" },
  { code: 20, meaning: "cannot reach the database" },
  { code: 21, meaning: "no suitable PostgreSQL client" },
  { code: 22, meaning: "not enough privilege" },
  { code: 23, meaning: "not enough space" },
  { code: 130, meaning: "interrupted" },
];

// As wide as the rest of the help is on most terminals.
const WIDTH = 110;

/** All of them in a few lines, for the end of the help. */
export function exitCodesHelp(): string {
  const lines = ["Exit codes:"];
  for (const { code, meaning } of EXIT_CODES) {
    const last = lines.at(-1) ?? "";
    const text = `${code} ${meaning}`;
    const longer = last.endsWith(":") ? `${last} ${text}` : `${last} · ${text}`;
    if (longer.length <= WIDTH) lines[lines.length - 1] = longer;
    else lines.push(`  ${text}`);
  }
  return `\n${lines.join("\n")}`;
}
