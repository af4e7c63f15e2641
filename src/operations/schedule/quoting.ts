/** One word for `/bin/sh`: as it is when that is safe, otherwise in single quotes. */
export function quoteForShell(word: string): string {
  if (/^[A-Za-z0-9_@:,.+=/-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** One word for `/bin/sh` inside a crontab line. */
export function quoteForCrontab(word: string): string {
  // cron ends the command at a bare `%` and takes one backslash away before it. The quotes in front keep a backslash
  // that belongs to the word from being taken for that one.
  return quoteForShell(word).replaceAll("%", String.raw`''\%`);
}

/** One word of a systemd command line: in double quotes, with specifiers (`%`) and variables (`$`) made harmless. */
export function quoteForSystemd(word: string): string {
  const text = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  if (/^[A-Za-z0-9_@:,.+=/%$-]+$/.test(text)) return text;
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** A value that systemd reads to the end of the line, such as a path. */
export function systemdValue(text: string): string {
  return text.replaceAll("%", "%%");
}
