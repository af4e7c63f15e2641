import { isCancel, text } from "@clack/prompts";
import { AppError } from "../errors.ts";
import type { Cli } from "./cli.ts";

/**
 * Asks the user to type a name before something is replaced. `--yes` agrees beforehand; where nobody can type, the
 * answer is no.
 */
export async function confirmByName(cli: Cli, what: string, name: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (cli.input === undefined) {
    throw new AppError("not_confirmed", `${what}: nobody is there to confirm it`, {
      hint: "add `--yes` in scripts",
    });
  }
  cli.output.clear();
  // A terminal that goes away answers nothing, and the question would wait for it.
  const gone = new AbortController();
  const onEnd = (): void => gone.abort();
  cli.input.once("end", onEnd);
  const answer = await text({
    message: `${what}. Type ${name} to go on`,
    input: cli.input,
    output: process.stderr,
    signal: AbortSignal.any([cli.signal, gone.signal]),
  });
  cli.input.off("end", onEnd);
  cli.signal.throwIfAborted();
  if (!isCancel(answer) && answer === name) return;
  throw new AppError("not_confirmed", `${what}: not confirmed`, {
    hint: `nothing was changed; type ${name} exactly, or add \`--yes\``,
  });
}
