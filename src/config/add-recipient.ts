import { readFile, stat } from "node:fs/promises";
import { isMap, isSeq, parseDocument } from "yaml";
import { AppError } from "../errors.ts";
import { writeDurable } from "../lib/durable.ts";

/**
 * Adds a recipient to repositories of a strategy file, in one step; comments and everything else stay. Fails with
 * `strategy_invalid` where the file is written in a way that this cannot keep.
 */
export async function addRecipient(
  path: string,
  repositories: readonly string[],
  recipient: string,
): Promise<void> {
  const document = parseDocument(await readFile(path, "utf8"));
  for (const name of repositories) {
    const at = ["repositories", name];
    if (!isMap(document.getIn(at))) throw cannotChange(path, name);
    const recipients = document.getIn([...at, "recipients"]);
    if (recipients === undefined) document.setIn([...at, "recipients"], document.createNode([recipient]));
    else if (isSeq(recipients)) recipients.add(document.createNode(recipient));
    else throw cannotChange(path, name);
  }
  const { mode } = await stat(path);
  await writeDurable(path, document.toString({ lineWidth: 0 }), mode & 0o777);
}

function cannotChange(path: string, name: string): AppError {
  return new AppError(
    "strategy_invalid",
    `strategy ${path}: repositories.${name} is not written as a block of keys`,
    {
      hint: `add the recipient by hand, as \`recipients:\` of ${name}`,
    },
  );
}
