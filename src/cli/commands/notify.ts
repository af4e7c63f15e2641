import type { Command } from "commander";
import { AppError } from "../../errors.ts";
import { testChannels } from "../../notify/test-channels.ts";
import type { Cli } from "../cli.ts";
import { notifyTestJson, renderNotifyTest } from "../render/notify.ts";
import { requireStrategy } from "../strategy-file.ts";

// Something arrived, and something did not.
const IN_PART = 3;

export function addNotify(program: Command, cli: () => Cli): void {
  const notify = program
    .command("notify")
    .summary("try the channels for alerts")
    .description("What has to do with the channels through which somebody is told that something is wrong.");
  notify
    .command("test")
    .summary("send a test through each channel")
    .description(
      "Sends a test message through the named channels of the strategy, or all, and says of each whether it arrived: whether the server on the other side has taken it. A ping is called at its `/log`, which says nothing of a backup. Exit code 1 when none arrived, 3 when some did not.",
    )
    .argument("[channel...]", "names from `notify.channels`; all when none is given")
    .action(async (names: string[]) => {
      await runTest(cli(), names);
    });
}

async function runTest(cli: Cli, names: readonly string[]): Promise<void> {
  const { path, notify } = await requireStrategy(cli);
  if (notify === undefined) {
    throw new AppError("usage", `find channels: the strategy ${path} has no \`notify\``, {
      hint: "it names the channels that are told when something is wrong: docs/notify.md",
    });
  }
  const tested = await testChannels(cli.runtime, notify, names, cli.signal);
  cli.output.result(notifyTestJson(tested), () => renderNotifyTest(cli.output, tested));
  const failed = tested.filter(({ error }) => error !== undefined);
  if (failed.length > 0) cli.exitWith(failed.length === tested.length ? 1 : IN_PART);
}
