import { AssertionError } from "node:assert";

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Scrape {
  /** By the name of the metric. */
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** The value of the one sample with this name and these labels; undefined where there is none. */
  readonly value: (name: string, labels?: Readonly<Record<string, string>>) => number | undefined;
}

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,?)/y;
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/i;

/**
 * Reads the text format of Prometheus 0.0.4 as strictly as its own parser, and stricter: every metric has HELP and TYPE before its samples,
 * all lines of one stand together, no series comes twice, none has a time.
 */
export function parsePrometheus(text: string): Scrape {
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  const over = new Set<string>();
  let current = "";
  const fail = (line: string, why: string): never => {
    throw new AssertionError({ message: `${why}: ${line}` });
  };
  if (!text.endsWith("\n")) fail(text.slice(-80), "the last line has no end");
  for (const line of text.slice(0, -1).split("\n")) {
    if (line === "") continue;
    const [, word, metric = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (word === undefined && line.startsWith("#")) fail(line, "a comment of no kind");
    if (word === "HELP") {
      if (helps.has(metric)) fail(line, "a second HELP");
      helps.add(metric);
      over.add(current);
      current = metric;
      continue;
    }
    if (word === "TYPE") {
      if (metric !== current || types.has(metric)) fail(line, "TYPE does not follow its HELP");
      if (!["counter", "gauge", "histogram", "summary"].includes(rest)) fail(line, "no such type");
      if ((rest === "counter") !== metric.endsWith("_total")) fail(line, "only counters end in _total");
      types.set(metric, rest);
      continue;
    }
    const sample = parseSample(line) ?? fail(line, "no sample");
    const type = types.get(current);
    const ends =
      type === "histogram"
        ? ["_bucket", "_sum", "_count"]
        : type === "summary"
          ? ["", "_sum", "_count"]
          : [""];
    if (over.has(current) || !ends.some((end) => sample.name === current + end))
      fail(line, "a sample that is not with its metric");
    const series = JSON.stringify([
      sample.name,
      Object.entries(sample.labels).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ]);
    if (seen.has(series)) fail(line, "a series twice");
    seen.add(series);
    samples.push(sample);
  }
  return {
    types,
    samples,
    value: (name, labels = {}) =>
      samples.find(
        (one) =>
          one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
      )?.value,
  };
}

function parseSample(line: string): Sample | undefined {
  NAME.lastIndex = 0;
  const [name = ""] = NAME.exec(line) ?? [];
  if (name === "") return undefined;
  let at = name.length;
  const labels: Record<string, string> = {};
  if (line[at] === "{") {
    at++;
    while (line[at] !== "}") {
      LABEL.lastIndex = at;
      const found = LABEL.exec(line);
      if (found === null) return undefined;
      const [whole, label = "", escaped = "", comma] = found;
      labels[label] = escaped.replaceAll(/\\(.)/g, (_, one: string) => (one === "n" ? "\n" : one));
      at += whole.length;
      if (comma === "" && line[at] !== "}") return undefined;
    }
    at++;
  }
  const value = line.slice(at + 1);
  if (line[at] !== " " || !VALUE.test(value)) return undefined;
  return { name, labels, value: Number(value.replace(/inf$/i, "Infinity")) };
}
