import { nearest } from "../lib/text.ts";

/** The time zone of the machine, as an IANA name. */
export function systemTimeZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** What is wrong with the name of a time zone, or undefined. Offsets (`+01:00`) know no daylight saving and are refused. */
export function timeZoneProblem(name: string): string | undefined {
  if (!/^[+-]/.test(name) && isKnown(name)) return undefined;
  const similar = nearest(name, ["UTC", ...Intl.supportedValuesOf("timeZone")]);
  const suggestion = similar === undefined ? "" : `; did you mean \`${similar}\`?`;
  return `must be an IANA time zone such as \`Europe/Berlin\`${suggestion}`;
}

function isKnown(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
