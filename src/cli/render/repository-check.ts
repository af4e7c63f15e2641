import { counted } from "../../lib/text.ts";
import type { PlaceCheck } from "../../operations/repository/check.ts";
import type { RepositoryFinding } from "../../operations/repository/finding.ts";
import type { CheckJson } from "../../json/repository.ts";
import type { Output } from "../output.ts";

export function checkJson(checks: readonly PlaceCheck[]): CheckJson {
  return {
    places: checks.map(({ databases, findings, ...check }) => ({
      ...check,
      databases: [...databases],
      damaged: findings.filter(({ level }) => level === "damage").length,
      problems: findings.filter(({ level }) => level === "problem").length,
      findings: findings.map((finding) => ({ ...finding, items: [...finding.items] })),
    })),
  };
}

export function renderCheck(output: Output, checks: readonly PlaceCheck[]): string {
  return checks.map((check) => renderPlace(output, check)).join("\n\n");
}

function renderPlace(output: Output, check: PlaceCheck): string {
  const { place, encrypted, databases, backups, objects, findings } = check;
  const what =
    `looked at ${counted(databases.length, "database")}, ${counted(backups, "backup")}, ` +
    `and ${counted(objects, "part or part list", "parts and part lists")} of snapshots`;
  const isSound = findings.every(({ level }) => level === "note");
  const verdict = isSound
    ? output.paint("green", "everything that the backups name is there, in the size it should have")
    : output.paint("red", "not everything is as it should be");
  return [
    output.paint("bold", place),
    ...findings.flatMap((finding) => renderFinding(output, finding)),
    what,
    verdict,
    encrypted
      ? "no rows and definitions were opened, which takes an identity: `handled verify --identity FILE` is what proves them"
      : "no rows were read: `handled verify` is what proves them",
  ].join("\n");
}

// Enough to see what it is about; `--json` has more.
const ITEMS_SHOWN = 3;

function renderFinding(
  output: Output,
  { level, database, message, hint, items }: RepositoryFinding,
): string[] {
  const word = { damage: "✗ damage", problem: "✗ problem", note: "· note" }[level];
  const color = { damage: "red", problem: "yellow", note: "dim" } as const;
  const about = database === null ? "" : `${output.paint("bold", database)}: `;
  const more = items.length > ITEMS_SHOWN ? [`    and more, which \`--json\` lists`] : [];
  const named = items.filter((item) => !message.includes(item));
  return [
    `${output.paint(color[level], word)} ${about}${message}`,
    ...named.slice(0, ITEMS_SHOWN).map((item) => `    ${item}`),
    ...(named.length === 0 ? [] : more),
    ...(hint === null ? [] : [`  ${output.paint("cyan", "hint:")} ${hint}`]),
  ];
}
