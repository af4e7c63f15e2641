/**
 * What cron hands to the shell of a crontab line's command: a bare `%` ends it, and `\%` becomes `%`. Written after
 * `do_command.c` of vixie cron, which Debian ships: a backslash that follows a backslash escapes nothing.
 */
export function cronCommand(text: string): string {
  let result = "";
  let escaped = false;
  for (const character of text) {
    if (escaped) {
      if (character === "%") result = result.slice(0, -1);
      escaped = false;
    } else if (character === "\\") {
      escaped = true;
    } else if (character === "%") {
      break;
    }
    result += character;
  }
  return result;
}
