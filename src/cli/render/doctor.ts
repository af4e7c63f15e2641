import { counted } from "../../lib/text.ts";
import type { DoctorReport } from "../../operations/doctor/doctor.ts";
import type { CheckId, Finding } from "../../operations/doctor/finding.ts";
import type { Output } from "../output.ts";

// A screen full of tables helps nobody; `--json` has them all.
const SHOWN_ITEMS = 10;
const MACHINE = "machine";

export function doctorJson(report: DoctorReport): unknown {
  const count = (level: Finding["level"]): number =>
    report.findings.filter((one) => one.level === level).length;
  return {
    ready: report.exitCode === 0,
    problems: count("problem"),
    warnings: count("warning"),
    databases: report.databases,
    findings: report.findings.map(({ id, database, place, level, message, hint, items, code }) => ({
      id,
      subject: database ?? MACHINE,
      database,
      place: place ?? null,
      level,
      code,
      message,
      hint: hint ?? null,
      items,
    })),
  };
}

/** The findings by subject, and for each database whether a backup could run now. */
export function renderDoctor(output: Output, report: DoctorReport): string {
  const subjects = [null, ...report.databases.map(({ name }) => name)];
  const blocks = subjects.map((subject) => {
    const findings = report.findings.filter(({ database }) => database === subject);
    const title = output.paint("bold", subject ?? "This machine");
    return [title, ...merged(findings).flatMap((one) => renderFinding(output, one))].join("\n");
  });
  return [...blocks, renderVerdicts(output, report)].join("\n\n");
}

interface Line extends Finding {
  /** The checks that came to the same message, where that is more than one. */
  readonly ids: readonly CheckId[];
}

/** What each check is about, for a line that names several. */
const WORDS: Readonly<Record<CheckId, string>> = {
  strategy: "the strategy",
  node: "the version of Node",
  clients: "the installed PostgreSQL clients",
  "strategy-file": "the strategy's file",
  scheduler: "what would run the schedule",
  application: "the application's commands",
  connection: "the connection",
  encryption: "its encryption",
  "direct-connection": "whether a pooler is between",
  client: "which client fits the server",
  zstd: "the program zstd",
  clock: "the server's clock",
  schemas: "the schemas",
  privileges: "whether everything may be read",
  "row-security": "row level security",
  "large-objects": "large objects",
  dependencies: "what the schemas need of others",
  locks: "locks on tables",
  restore: "whether a restore may make databases",
  "server-space": "the server's free space",
  leftovers: "what restores left over",
  repository: "the repository",
  "repository-write": "whether it can be written",
  "repository-permissions": "who can enter it",
  "repository-space": "its free space",
  "repository-lock": "whether its objects are locked",
  backups: "the backups in it",
  lease: "whether somebody writes to it",
};

/** Checks that were left out for one reason take one line. */
function merged(findings: readonly Finding[]): Line[] {
  const lines: Line[] = [];
  for (const finding of findings) {
    const same = lines.findIndex(
      ({ message, level, place }) =>
        message === finding.message && level === finding.level && place === finding.place,
    );
    const before = lines[same];
    if (before === undefined) lines.push({ ...finding, ids: [finding.id] });
    else lines[same] = { ...before, ids: [...before.ids, finding.id] };
  }
  return lines;
}

function renderFinding(output: Output, line: Line): string[] {
  const { level, message, hint, items, ids, place } = line;
  const about = ids.length > 1 ? `: ${ids.map((id) => WORDS[id]).join(", ")}` : "";
  const where = place === undefined ? "" : `${place}: `;
  // A message that has room for all of them names them itself.
  const more = items.every((item) => message.includes(item)) ? [] : items;
  const shown = more.slice(0, SHOWN_ITEMS).map((item) => `      ${item}`);
  const rest =
    more.length > SHOWN_ITEMS ? [`      and ${more.length - SHOWN_ITEMS} more (\`--json\` has all)`] : [];
  return [
    `  ${mark(output, level)} ${where}${message}${about}`,
    ...shown,
    ...rest,
    ...(hint === undefined ? [] : [`      ${output.paint("cyan", "hint:")} ${hint}`]),
  ];
}

function mark(output: Output, level: Finding["level"]): string {
  switch (level) {
    case "ok":
      return output.paint("green", "✓");
    case "warning":
      return output.paint("yellow", "!");
    case "problem":
      return output.paint("red", "✗");
  }
}

function renderVerdicts(output: Output, report: DoctorReport): string {
  const problemsOf = (subject: string | null): number =>
    report.findings.filter(({ level, database }) => level === "problem" && database === subject).length;
  if (report.databases.length === 0) {
    return `${mark(output, "problem")} there is no database to back up, and ${counted(problemsOf(null), "problem")}`;
  }
  return report.databases
    .map(({ name, ready }) => {
      if (ready) return `${mark(output, "ok")} a backup of ${name} could run now`;
      const count = problemsOf(null) + problemsOf(name);
      return `${mark(output, "problem")} no backup of ${name} now: ${counted(count, "problem")}`;
    })
    .join("\n");
}
