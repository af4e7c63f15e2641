import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Document, Node, Scalar, YAMLError, YAMLMap } from "yaml";
import { formatPath, type Path, type Problem, where } from "./problems.ts";
import { syntaxMessage } from "./syntax.ts";

// A strategy is a few levels deep and has hundreds of values. More is a mistake, or aliases that multiply themselves.
const DEEPEST = 20;
const MOST_NODES = 50_000;

/** A YAML text as plain values, which remembers where everything stood. */
export interface StrategyDocument {
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** A problem at the key or the value of a path; of the nearest enclosing one that is in the text. */
  readonly problemAt: (path: Path, part: "key" | "value", message: string) => Problem;
}

/** Replaces the references in a text; may say what is wrong with them instead. */
export type Interpolate = (text: string, path: Path) => { text: string } | { problem: string };

/** Reads YAML 1.2. Syntax errors, repeated keys and failed interpolations are problems, never exceptions. */
export function readDocument(source: string, interpolate: Interpolate): StrategyDocument {
  const lines = new LineCounter();
  // Without "pretty" errors, which quote the source; repeated keys are found below, where their name is known.
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const reader = new DocumentReader(lines, interpolate);
  const errors = firstOfEachLine([...document.errors, ...document.warnings], lines);
  const sourceLines = source.split("\n");
  for (const { code, pos } of errors)
    reader.report([], pos[0], syntaxMessage(code, sourceLines[lines.linePos(pos[0]).line - 1] ?? ""));
  return {
    value: errors.length > 0 ? undefined : reader.read(document, document.contents, []),
    problems: reader.problems,
    problemAt: (path, part, message) => reader.problem(path, reader.offsetOf(path, part), message),
  };
}

/** One syntax error drags others behind it in its line; the first tells most. */
function firstOfEachLine(errors: readonly YAMLError[], lines: LineCounter): YAMLError[] {
  const byLine = new Map(errors.toReversed().map((error) => [lines.linePos(error.pos[0]).line, error]));
  return [...byLine.values()].toReversed();
}

class DocumentReader {
  readonly problems: Problem[] = [];
  readonly #lines: LineCounter;
  readonly #interpolate: Interpolate;
  readonly #offsets = new Map<string, { key: number; value: number }>();
  #nodes = 0;

  constructor(lines: LineCounter, interpolate: Interpolate) {
    this.#lines = lines;
    this.#interpolate = interpolate;
  }

  problem(path: Path, offset: number, message: string): Problem {
    const { line, col } = this.#lines.linePos(offset);
    // An empty text has no line at all; people count from one.
    return { line: Math.max(line, 1), column: Math.max(col, 1), path: formatPath(path), message };
  }

  report(path: Path, offset: number, message: string): void {
    this.problems.push(this.problem(path, offset, message));
  }

  offsetOf(path: Path, part: "key" | "value"): number {
    const offsets = this.#offsets.get(JSON.stringify(path));
    if (offsets !== undefined) return offsets[part];
    return path.length === 0 ? 0 : this.offsetOf(path.slice(0, -1), "key");
  }

  read(document: Document, node: unknown, path: Path): unknown {
    this.#nodes += 1;
    const offset = this.offsetOf(path, "value");
    if (path.length > DEEPEST || this.#nodes > MOST_NODES) {
      // Once is enough: the aliases of a bomb would report it a million times.
      if (this.#nodes <= MOST_NODES + 1)
        this.report(path, offset, "this is nested too deeply or repeated too often");
      return undefined;
    }
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target !== undefined) return this.read(document, target, path);
      this.report(
        path,
        offset,
        "`*` begins an alias in YAML, and there is no such anchor: put the text in quotes",
      );
      return undefined;
    }
    if (isMap(node)) return this.#readMap(document, node, path);
    if (isSeq(node))
      return node.items.map((item, index) => this.#readEntry(document, item, [...path, index]));
    return isScalar(node) ? this.#readScalar(node, path) : null;
  }

  #readMap(document: Document, map: YAMLMap, path: Path): Record<string, unknown> {
    const entries = new Map<string, unknown>();
    for (const { key, value } of map.items) {
      const name = keyName(key);
      const offset = startOf(key) ?? startOf(map) ?? 0;
      if (name === undefined) {
        this.report(path, offset, "a key must be a plain text");
        continue;
      }
      const inside = [...path, name];
      const first = this.#offsets.get(JSON.stringify(inside));
      if (entries.has(name) && first !== undefined) {
        const { line } = this.#lines.linePos(first.key);
        this.report(inside, offset, `the key \`${name}\` is in ${where(path)} already, in line ${line}`);
        continue;
      }
      // Objects give this name a meaning of its own; a database of that name would silently get lost.
      if (name === "__proto__") this.report(inside, offset, "`__proto__` cannot be used as a name");
      else entries.set(name, this.#readEntry(document, value, inside, offset));
    }
    return Object.fromEntries(entries);
  }

  #readEntry(document: Document, node: unknown, path: Path, keyOffset?: number): unknown {
    const value = (isEmpty(node) ? undefined : startOf(node)) ?? keyOffset ?? this.offsetOf(path, "value");
    this.#offsets.set(JSON.stringify(path), { key: keyOffset ?? value, value });
    return this.read(document, node, path);
  }

  #readScalar(node: Scalar, path: Path): unknown {
    if (typeof node.value !== "string" || !node.value.includes("${")) return node.value;
    const result = this.#interpolate(node.value, path);
    if ("problem" in result) {
      this.report(path, this.offsetOf(path, "value"), `${formatPath(path)} ${result.problem}`);
      return node.value;
    }
    // Without quotes the value counts as if it stood in the file: `days: ${KEEP_DAYS}` is a number.
    const isNumber = node.type === "PLAIN" && /^(0|[1-9]\d{0,14})$/.test(result.text);
    return isNumber ? Number(result.text) : result.text;
  }
}

/** A key as it is written: `010` is a name here, not the number 10. */
function keyName(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined;
  return typeof key.value === "string" ? key.value : (key.source ?? "");
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null)?.range?.[0];
}

/** A value that is left out; its place is that of its key. */
function isEmpty(node: unknown): boolean {
  if (isScalar(node)) return node.value === null && node.source === "";
  return !isAlias(node) && !isMap(node) && !isSeq(node);
}
