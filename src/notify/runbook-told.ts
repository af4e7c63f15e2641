import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { errorCode, messageOf } from "../errors.ts";
import { writeDurable } from "../lib/durable.ts";
import { lineDiff } from "../lib/line-diff.ts";
import type { Runtime } from "../lib/runtime.ts";
import { stateFolder, strategyStateName } from "../lib/state-folder.ts";

/** What of the runbook each channel was told last, kept on this machine: who has none begins with what it says now. */
interface RunbookTold {
  /** What has changed since, as lines of a diff; empty where nothing has. */
  changesFor(channel: string): string[];
  /** It knows what the runbook says now. */
  tell(channel: string): Promise<void>;
}

const File = z.record(z.string(), z.string());

/**
 * @param text what the runbook says of substance, as Markdown; undefined where there is none
 * @param channels those that get a digest; others are forgotten
 */
export async function recallRunbook(
  runtime: Runtime,
  strategyPath: string,
  text: string | undefined,
  channels: readonly string[],
): Promise<RunbookTold> {
  if (text === undefined || channels.length === 0) return { changesFor: () => [], tell: async () => {} };
  const name = strategyStateName(strategyPath);
  const path = join(stateFolder(runtime), "runbook", `${name}.json`);
  const found = await read(path);
  const known = new Map(channels.map((channel) => [channel, found[channel] ?? text]));
  const save = async (): Promise<void> => {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeDurable(path, JSON.stringify(Object.fromEntries(known)));
    } catch (error) {
      runtime.reporter.warn(
        `what the runbook said is not remembered, and its changes may be told again or not: ${messageOf(error)}`,
      );
    }
  };
  const isKnown = channels.every((channel) => found[channel] !== undefined);
  if (!isKnown || Object.keys(found).length !== known.size) await save();
  return {
    changesFor: (channel) => lineDiff(known.get(channel) ?? text, text),
    tell: async (channel) => {
      if (known.get(channel) === text) return;
      known.set(channel, text);
      await save();
    },
  };
}

/** What cannot be read is as good as nothing: nobody is to go without a digest for it. */
async function read(path: string): Promise<Readonly<Record<string, string>>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) !== undefined) return {};
    throw error;
  }
  try {
    return File.safeParse(JSON.parse(text)).data ?? {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
