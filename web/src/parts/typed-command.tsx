import { Code, Text } from "@mantine/core";
import type { ReactElement } from "react";

/** A command as one would type it: `handled backup data`. */
export function TypedCommand({ words }: { readonly words: readonly string[] }): ReactElement {
  return (
    <Text size="xs" className="quiet wrap" component="div">
      The same at a terminal: <Code>{["handled", ...withoutDashes(words).map(quoted)].join(" ")}</Code>
    </Text>
  );
}

/** Without the `--` that keeps names from becoming options, where none would. */
function withoutDashes(words: readonly string[]): readonly string[] {
  const at = words.indexOf("--");
  if (at < 0 || words.slice(at + 1).some((word) => word.startsWith("-"))) return words;
  return words.toSpliced(at, 1);
}

/** As a shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
