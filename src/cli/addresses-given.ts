import { text } from "node:stream/consumers";
import { AppError } from "../errors.ts";
import type { Cli } from "./cli.ts";

/** What stands for standard input, so that a password is in no argument and no shell's history. */
const STANDARD_INPUT = "-";

/** Where databases go, as the options say; instead of `-` the lines of standard input, or what a person types there. Fails with `usage`. */
export async function addressesGiven(
  cli: Cli,
  to: readonly string[] | undefined,
): Promise<readonly string[] | undefined> {
  if (to?.includes(STANDARD_INPUT) !== true) return to;
  if (to.length > 1)
    throw new AppError("usage", "recover: `--to -` goes with no other `--to`", {
      hint: "write all of them to standard input, one a line",
    });
  const lines = (await readAll(cli)).split("\n").flatMap((line) => (line.trim() === "" ? [] : line.trim()));
  if (lines.length > 0) return lines;
  throw new AppError("usage", "recover: `--to -` reads standard input, and there is nothing");
}

async function readAll(cli: Cli): Promise<string> {
  if (cli.piped !== undefined) return await text(cli.piped);
  const { askerOf } = await import("./prompt.ts");
  return (await askerOf(cli, "recover")?.secret("Where to: its address, with the password")) ?? "";
}
