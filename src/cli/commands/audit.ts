import type { Command } from "commander";
import { openAccess } from "../../access/access.ts";
import { brokenAt, shownEntry } from "../../access/audit.ts";
import type { ComparedAudit } from "../../access/audit-copies.ts";
import { AppError } from "../../errors.ts";
import type { AuditLogJson } from "../../json/audit.ts";
import { auditInPlaces } from "../audit-places.ts";
import type { Cli } from "../cli.ts";
import { positiveInteger } from "../options.ts";
import { renderTable } from "../render/table.ts";
import { requireStrategy, requireStrategyPath } from "../strategy-file.ts";

export function addAudit(program: Command, cli: () => Cli): void {
  program
    .command("audit")
    .summary("who did what through the dashboard and the API")
    .description(
      "Shows who did what, when, and from where, newest first; and checks the whole log: each entry holds the hash of the one before it, " +
        "so that none can be changed or taken out without a trace.",
    )
    .option(
      "--verify",
      "hold it against what every repository keeps of it, too: a log that was written anew as a whole, or cut short, is found by that",
    )
    .option("--last <n>", "no more than so many", positiveInteger, 50)
    .action(async ({ last, verify = false }: { readonly last: number; readonly verify?: boolean }) => {
      await runAudit(cli(), last, verify);
    });
}

async function runAudit(cli: Cli, last: number, verify: boolean): Promise<void> {
  using access = await openAccess(cli.runtime, await requireStrategyPath(cli));
  const entries = access.audit.list(Number.MAX_SAFE_INTEGER, last);
  const places = verify ? await auditInPlaces(cli, await requireStrategy(cli), access.audit) : [];
  const compared = places.flatMap((place) => ("failure" in place ? [] : [place]));
  const broken = brokenAt(access.audit.all()) ?? compared.flatMap(faultsOf)[0] ?? null;
  const { output } = cli;
  if (output.options.json) {
    output.json({
      entries: entries.map(shownEntry),
      broken,
      places: places.map((place) =>
        "failure" in place
          ? { place: place.place, error: place.failure.message, entries: null, behind: null, others: [] }
          : {
              place: place.place,
              error: null,
              entries: place.entries,
              behind: place.behind,
              others: place.others.map((other) => ({ ...other, broken: other.broken ?? null })),
            },
      ),
    } satisfies AuditLogJson);
  } else if (entries.length === 0) output.text("nobody has done anything yet");
  else {
    output.text(
      renderTable(
        ["WHEN", "WHO", "WHAT", "SUBJECT", "FROM"].map((title) => ({ title })),
        entries.map(({ at, who, what, subject, source }) => [at, who, what, subject, source]),
      ),
    );
  }
  if (!output.options.json) for (const place of places) output.text(renderPlace(place));
  const unread = places.find((place) => "failure" in place);
  if (broken === null && unread !== undefined) throw unread.failure;
  if (broken === null) return;
  throw new AppError("audit_broken", `audit log: ${broken}`, {
    hint: "what stands after it cannot be relied on; compare it with the copies in the repositories",
  });
}

/** What is wrong with what a repository keeps, of this log and of others. */
function faultsOf({ place, broken, others }: ComparedAudit): string[] {
  return [
    ...(broken === undefined ? [] : [`${broken} (${place})`]),
    ...others.flatMap((other) =>
      other.broken === undefined ? [] : [`${other.broken} (${place}, another log: ${other.chain})`],
    ),
  ];
}

function renderPlace(found: Awaited<ReturnType<typeof auditInPlaces>>[number]): string {
  if ("failure" in found) return `${found.place}: not read: ${found.failure.message}`;
  const { place, entries, behind, broken, others } = found;
  const lines = [
    `${place}: ${entries} entries, ${broken ?? "the same as here"}${behind > 0 ? `; ${behind} are yet to be brought there` : ""}`,
    ...others.map(
      (other) =>
        `${place}: another log (${other.chain}): ${other.entries} entries, ${other.broken ?? "unbroken"}; of another machine, or of this one before its own began anew`,
    ),
  ];
  return lines.join("\n");
}
