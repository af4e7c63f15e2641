import type { ReactElement, ReactNode } from "react";
import { formatBytes, formatCount, formatDuration } from "../../../src/lib/text.ts";
import { Fact } from "./fact.tsx";
import { Moment } from "./moment.tsx";

/** The plain values in what a command printed with `--json`; nothing where there are none. */
export function ResultFacts({ result }: { readonly result: unknown }): ReactElement | null {
  const facts = factsOf(result);
  if (facts.length === 0) return null;
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <Fact key={name} name={name}>
          {value}
        </Fact>
      ))}
    </dl>
  );
}

// That nothing was done yet, a plan's headline says.
const UNTOLD = ["dryRun"];
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

function factsOf(result: unknown): readonly (readonly [string, ReactNode])[] {
  if (typeof result !== "object" || result === null) return [];
  const names = "swappedAt" in result ? NAMES_OF_UNDO : NAMES;
  return Object.entries(result).flatMap(([name, value]: [string, unknown]) => {
    if (UNTOLD.includes(name)) return [];
    const shown = shownAs(name, value);
    return shown === undefined ? [] : [[names[name] ?? wordsOf(name), shown] as const];
  });
}

/** Undefined for what is nothing, or has parts. */
function shownAs(name: string, value: unknown): ReactNode | undefined {
  if (name === "estimatedMs" && value === null) return "not measured yet";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return TIME.test(value) ? <Moment at={value} exact /> : value;
  if (typeof value !== "number") return undefined;
  if (name.endsWith("Ms")) return formatDuration(value);
  return /bytes$/i.test(name) ? formatBytes(value) : formatCount(value);
}

// Where a field's name alone says too little.
const NAMES: Readonly<Record<string, string>> = {
  snapshotAt: "Brings back",
  bytes: "Size before compression",
  estimatedMs: "Estimated time",
  estimatedBy: "Estimated by",
  replaces: "Takes the place of the live one",
  before: "The old one stays as",
  dropAfter: "It stays until",
  endedSessions: "Sessions that were ended",
};

// What a restore keeps is what undoing it puts back.
const NAMES_OF_UNDO: Readonly<Record<string, string>> = {
  before: "Put back",
  swappedAt: "It was replaced",
  by: "By the backup",
  undone: "What is taken out stays as",
  endedSessions: "Sessions that were ended",
};

/** `restoredInto` → `Restored into`; `durationMs` → `Duration`. */
function wordsOf(name: string): string {
  const words = name.replace(/Ms$/, "").replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
}
