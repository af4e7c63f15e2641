import type { Strategy, StrategyDatabase } from "../../../config/strategy.ts";
import { findRepository } from "../../../config/strategy.ts";
import type { DatabaseStatus } from "../../../health/status.ts";
import type { Scenario } from "../../../config/drills.ts";
import { quoteForShell } from "../../../operations/schedule/quoting.ts";
import type { Passing } from "../page/passing.ts";
import { IDENTITY_FILE } from "../kit/by-hand.ts";

/** What to type for one database, as it stands now. */
export interface DatabaseCommands {
  readonly status: string;
  readonly list: string;
  readonly backup: string;
  readonly verify: string;
  readonly restoreBeside: string;
  readonly restoreElsewhere: string;
  readonly previewSwap: string;
  readonly swap: string;
  readonly undo: string;
  readonly findChange: string;
  readonly previewMissingRows: string;
  readonly missingRows: string;
  /** By scenario: only the plan, the plan run, and its drill. */
  readonly recover: Readonly<Record<Scenario, RecoverCommands>>;
  readonly drills: string;
  readonly checklist: string;
  readonly history: string;
  readonly kit: string;
}

/** What to type for one disaster. */
interface RecoverCommands {
  readonly preview: string;
  readonly run: string;
  readonly drill: string;
}

// Where every command looks by itself.
const COMMON_STRATEGY = "/etc/handled/handled.yaml";

/** Every command names its strategy, so that it works in any folder; each reads what the page says: the newest good backup. */
export function commandsOf(
  strategy: Strategy,
  { name, repositories }: StrategyDatabase,
  { newest }: DatabaseStatus,
  passing: Passing,
): DatabaseCommands {
  const isSealed = findRepository(strategy, repositories[0]).recipients !== undefined;
  const config = strategy.path === COMMON_STRATEGY ? [] : ["--config", quoteForShell(strategy.path)];
  const identity = isSealed ? ["--identity", IDENTITY_FILE] : [];
  // What begins with a dash would be taken for an option.
  const operands = (...words: string[]): string[] =>
    words.some((word) => word.startsWith("-")) ? ["--", ...words] : words;
  const line = (command: string, options: readonly string[], words: readonly string[] = []): string =>
    ["handled", command, ...config, ...options, ...words].join(" ");
  const database = quoteForShell(name);
  const own = operands(database);
  const backup = passing.run(newest?.id ?? "latest");
  const one = operands(database, backup);
  const beside = quoteForShell(`${(newest?.server.database ?? name).slice(0, 20)}_restored`);
  const elsewhere = `postgresql://SERVER/${encodeURIComponent(newest?.server.database ?? name)}`;
  const missing = ["--table", "SCHEMA.TABLE", "--missing-rows", ...identity];
  const recover = (scenario: Scenario): RecoverCommands => {
    const elsewhereTo = ["--to", quoteForShell(elsewhere)];
    const lost = scenario === "data-deleted" ? ["--table", "SCHEMA.TABLE"] : [];
    const to = scenario === "server-lost" ? elsewhereTo : [];
    const words = operands(scenario, database);
    return {
      preview: line("recover", ["--dry-run", ...lost, ...identity], words),
      run: line("recover", [...to, ...lost, ...identity], words),
      drill: line("drill", [...lost, ...identity], words),
    };
  };
  return {
    recover: {
      "provider-down": recover("provider-down"),
      "server-lost": recover("server-lost"),
      "data-deleted": recover("data-deleted"),
      "everything-lost": recover("everything-lost"),
    },
    drills: line("drill list", [], own),
    status: line("status", []),
    list: line("list", [], own),
    backup: line("backup", [], own),
    verify: line("verify", ["--level content", ...identity], one),
    restoreBeside: line("restore", ["--new-database", beside, ...identity], one),
    restoreElsewhere: line("restore", ["--to", quoteForShell(elsewhere), ...identity], one),
    previewSwap: line("restore", ["--swap --dry-run", ...identity], one),
    swap: line("restore", ["--swap", ...identity], one),
    undo: line("restore", ["--undo"], own),
    findChange: line(
      "find-change",
      [`--where ${quoteForShell("id = 1")}`, ...identity],
      operands(database, "SCHEMA.TABLE"),
    ),
    previewMissingRows: line("restore", [...missing, "--dry-run"], one),
    missingRows: line("restore", missing, one),
    checklist: line("checklist", []),
    history: line("history", [], own),
    kit: line("kit", ["--file recovery-kit.html"]),
  };
}
