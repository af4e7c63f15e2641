import type { JobRequest } from "../api/contract/jobs.ts";

/** An option and its value, or values; one that is undefined or false is left out, `true` has no value. */
type Option = readonly [name: `--${string}`, value: string | boolean | readonly string[] | undefined];

/** Where a command is to write what it makes beside its result. */
export interface JobPaths {
  /** Statements that take inserted rows out again. */
  readonly undoFile: string;
  /** The connection string of a new cluster. */
  readonly urlFile: string;
}

/**
 * The command that does what is asked for, without the program: a table, for the same things are to happen as at a terminal. A
 * value stands in the same word as its option, and what is no option behind `--`, so that nothing becomes an option by what it is called.
 * What asks a person is answered: it is only called once somebody has confirmed it.
 * @param paths where files are to be written; undefined: nothing is to be done, only looked at
 * @param by who has it done; left out where nothing is
 */
export function jobWords(request: JobRequest, paths: JobPaths | undefined, by?: string): string[] {
  const asks: readonly Option[] = paths === undefined ? DRY_RUN : [["--yes", true]];
  const looks = paths === undefined ? DRY_RUN : [];
  switch (request.kind) {
    case "backup": {
      const { entry, fullRead } = request.options;
      return words(
        "backup",
        [
          ["--backup", entry],
          ["--full-read", fullRead],
        ],
        [request.database],
      );
    }
    case "verify": {
      const { backup, level, entry } = request.options;
      return words(
        "verify",
        [
          ["--level", level],
          ["--entry", entry],
        ],
        [request.database, backup],
      );
    }
    case "restore": {
      const { backup, to, newDatabase, schemas, tables } = request.options;
      const what: Option[] = [
        ["--schema", schemas],
        ["--table", tables],
      ];
      const where: Option[] = [
        ["--swap", to === "swap"],
        ["--new-database", newDatabase],
      ];
      return words("restore", [...where, ...what, ...asks], [request.database, backup]);
    }
    case "undo-restore":
      return words("restore", [["--undo", true], ...asks], [request.database]);
    case "missing-rows": {
      const { backup, tables, where, disableTriggers } = request.options;
      const what: Option[] = [
        ["--table", tables],
        ["--where", where],
        ["--disable-triggers", disableTriggers],
      ];
      const how: Option[] = [
        ["--missing-rows", true],
        ["--undo-file", paths?.undoFile],
      ];
      return words("restore", [...how, ...what, ...asks], [request.database, backup]);
    }
    case "provider-restore": {
      const { at, newCluster, destroyAfter } = request.options;
      const how: Option[] = [
        ["--provider", true],
        ["--at", at],
        ["--url-file", paths?.urlFile],
      ];
      const what: Option[] = [
        ["--new-cluster", newCluster],
        ["--destroy-after", destroyAfter],
      ];
      return words("restore", [...how, ...what, ...asks], [request.database]);
    }
    case "drill": {
      const { scenario, with: others = [], backup, from, at, tables, where, ...rest } = request.options;
      const how: Option[] = [
        ["--backup", backup],
        ["--from", from],
        ["--at", at],
        ["--table", tables],
        ["--where", where],
      ];
      const kept: Option[] = [
        ["--entry", rest.entry],
        ["--note", rest.note],
      ];
      return words("drill", [...how, ...kept], [scenario, request.database, ...others]);
    }
    case "recover": {
      const { scenario, with: others = [], backup, from, at, tables, where, ...rest } = request.options;
      const how: Option[] = [
        ["--backup", backup],
        ["--from", from],
        ["--at", at],
        ["--to", rest.to === undefined ? undefined : "-"],
      ];
      const what: Option[] = [
        ["--table", tables],
        ["--where", where],
        ["--new-database", rest.newDatabase],
      ];
      const flags: Option[] = [
        ["--whole", rest.whole],
        ["--restart", rest.restart],
        ["--despite-assertions", rest.despiteAssertions],
        ["--back", rest.back],
      ];
      return words("recover", [...how, ...what, ...flags, ...asks], [scenario, request.database, ...others]);
    }
    case "copy": {
      const { from, to } = request.options;
      return words("copy", [["--from", from], ["--to", to], ...looks], [request.database]);
    }
    case "prune":
      return words("prune", looks, [request.database]);
    case "checklist-done":
      return words(
        "checklist done",
        [
          ["--note", request.options.note],
          ["--by", by],
        ],
        [request.options.duty],
      );
    case "notify-test":
      return words("notify test", [], [request.options.channel]);
    case "drill-note":
      return words("drill note", [], [request.options.id, request.options.note]);
  }
}

/** What the command reads from its standard input: every user of the machine can read arguments. Undefined: nothing. */
export function jobInput(request: JobRequest): string | undefined {
  if (request.kind !== "recover" || request.options.to === undefined) return undefined;
  const { scenario, to } = request.options;
  const isNamed = scenario === "everything-lost";
  return to.map(({ database, url }) => `${isNamed ? `${database}=` : ""}${url}\n`).join("");
}

const DRY_RUN: readonly Option[] = [["--dry-run", true]];

function words(command: string, options: readonly Option[], operands: readonly string[]): string[] {
  const given = options.flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    if (value === true) return [name];
    return [value].flat().map((one) => `${name}=${one}`);
  });
  return [...command.split(" "), ...given, "--", ...operands];
}
