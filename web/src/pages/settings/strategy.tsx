import { Alert, Anchor, Button, Code, Group, Stack, Text, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState, type ReactElement } from "react";
import { strategyQuery, useChange, type Verdict } from "../../api/settings.ts";
import type { Answer } from "../../api/queries.ts";
import { request } from "../../api/request.ts";
import { Ago } from "../../parts/moment.tsx";
import { Answered, Failed } from "../../parts/states.tsx";
import { SettingsSection } from "./frame.tsx";
import "./settings.css";

/** The strategy in force; and whether another one could be. */
export function StrategySettings(): ReactElement {
  return <SettingsSection>{() => <InForce />}</SettingsSection>;
}

function InForce(): ReactElement {
  const query = useQuery(strategyQuery());
  // What somebody is typing stays, though the file has changed meanwhile.
  return <Answered query={query}>{(strategy) => <Editor strategy={strategy} />}</Answered>;
}

function Editor({ strategy: { file, text, at } }: { readonly strategy: Answer<"strategy"> }): ReactElement {
  const [typed, setTyped] = useState<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const validate = useChange<string, Verdict>(
    [],
    async (asked) => await request("POST", "/api/strategy/validate", { body: { text: asked } }),
  );
  const shown = typed ?? text;
  const change = (next: string | null): void => {
    setTyped(next);
    validate.reset();
  };
  const goTo = (line: number): void => {
    const lines = shown.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, before) => sum + before.length + 1, 0);
    field.current?.focus();
    field.current?.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  };
  return (
    <Stack>
      <Text size="sm" className="wrap">
        In force is <Code>{file}</Code> on the daemon&rsquo;s machine, changed <Ago at={at} />. It is changed
        there, with an editor, and read again within a minute; nothing is saved from here. Passwords that
        stand in it are shown as <Code>•••</Code>.
      </Text>
      <div className="source">
        <pre aria-hidden>{Array.from(shown.split("\n"), (_, at) => at + 1).join("\n")}</pre>
        <Textarea
          ref={field}
          aria-label="Strategy"
          description={
            typed === null
              ? "As it is now. Change it here, or paste another one, to see whether that could be in force."
              : "Your change: only looked at, never saved."
          }
          value={shown}
          onChange={({ currentTarget }) => change(currentTarget.value)}
          rows={Math.max(12, shown.split("\n").length)}
          wrap="off"
          spellCheck={false}
        />
      </div>
      <Group>
        <Button loading={validate.isPending} onClick={() => validate.mutate(shown)}>
          Validate
        </Button>
        {typed === null ? null : (
          <Button variant="default" onClick={() => change(null)}>
            Back to what is in force
          </Button>
        )}
      </Group>
      {validate.error === null ? null : <Failed error={validate.error} />}
      {validate.data === undefined ? null : <Said verdict={validate.data} goTo={goTo} />}
    </Stack>
  );
}

function Said({
  verdict: { valid, problems },
  goTo,
}: {
  readonly verdict: Verdict;
  readonly goTo: (line: number) => void;
}): ReactElement {
  if (valid)
    return (
      <Alert color="green" title="It could be in force" role="status">
        Nothing was changed.
      </Alert>
    );
  return (
    <Alert color="red" title="It could not be in force" role="alert">
      <ul className="list">
        {problems.map(({ line, column, message }) => (
          <li key={`${line} ${column} ${message}`} className="wrap">
            <Anchor component="button" type="button" size="sm" onClick={() => goTo(line)}>
              Line {line}
            </Anchor>
            : {message}
          </li>
        ))}
      </ul>
    </Alert>
  );
}
