import type { Command } from "commander";
import { openAccess } from "../../access/access.ts";
import { brokenAt } from "../../access/audit.ts";
import { AppError } from "../../errors.ts";
import type { AuditLogJson } from "../../json/audit.ts";
import type { Cli } from "../cli.ts";
import { positiveInteger } from "../options.ts";
import { renderTable } from "../render/table.ts";
import { requireStrategyPath } from "../strategy-file.ts";

export function addAudit(program: Command, cli: () => Cli): void {
  program
    .command("audit")
    .summary("who did what through the dashboard and the API")
    .description(
      "Shows who did what, when, and from where, newest first; and checks the whole log: each entry holds the hash of the one before it, " +
        "so that none can be changed or taken out without a trace.",
    )
    .option("--last <n>", "no more than so many", positiveInteger, 50)
    .action(async ({ last }: { readonly last: number }) => {
      await runAudit(cli(), last);
    });
}

async function runAudit(cli: Cli, last: number): Promise<void> {
  using access = await openAccess(cli.runtime, await requireStrategyPath(cli));
  const entries = access.audit.list(Number.MAX_SAFE_INTEGER, last);
  const broken = brokenAt(access.audit.all()) ?? null;
  const { output } = cli;
  if (output.options.json) {
    output.json({
      entries: entries.map(({ seq, at, who, what, subject, source, hash }) => ({
        seq,
        at,
        who,
        what,
        subject,
        source,
        hash,
      })),
      broken,
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
  if (broken === null) return;
  throw new AppError("audit_broken", `audit log: ${broken}`, {
    hint: "what stands after it cannot be relied on; compare it with the copies in the repositories",
  });
}
