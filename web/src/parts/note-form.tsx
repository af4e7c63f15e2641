import { Button, Group, Text, Textarea } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, type ReactElement } from "react";
import { jobQuery, useStartJob } from "../api/jobs.ts";
import { sessionQuery } from "../api/session.ts";
import { Failed } from "./states.tsx";

const LOOK_MS = 300;

/** What was learned from a drill or recovery: it is recorded with it. Nothing for who may only look. */
export function NoteForm({
  id,
  onKept,
}: {
  readonly id: string;
  readonly onKept?: () => void;
}): ReactElement | null {
  const [note, setNote] = useState("");
  const { data: session } = useQuery(sessionQuery());
  const client = useQueryClient();
  const start = useStartJob();
  const job = start.data?.id;
  const { data: kept } = useQuery({
    ...jobQuery(job ?? ""),
    enabled: job !== undefined,
    refetchInterval: ({ state: { data } }) =>
      data === undefined || data.state === "running" ? LOOK_MS : false,
  });
  const state = kept?.state;
  useEffect(() => {
    if (state !== "done" && state !== "degraded") return;
    setNote("");
    void client.invalidateQueries({ queryKey: ["recoveries"] });
    onKept?.();
  }, [state, client]);
  if (session?.user == null || session.user.role === "viewer") return null;
  const busy = start.isPending || (job !== undefined && (state === undefined || state === "running"));
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        start.mutate({ kind: "drill-note", options: { id, note: note.trim() } });
      }}
    >
      <Textarea
        label="What was learned"
        description="Recorded with it, for the next time"
        autosize
        minRows={2}
        maxLength={4000}
        value={note}
        onChange={({ currentTarget }) => setNote(currentTarget.value)}
      />
      <Group mt="xs">
        <Button type="submit" variant="default" size="xs" loading={busy} disabled={note.trim() === ""}>
          Keep the note
        </Button>
        <Text size="sm" role="status">
          {state === "done" || state === "degraded" ? "It is kept." : ""}
        </Text>
      </Group>
      {start.error === null ? null : <Failed error={start.error} />}
      {kept?.error == null ? null : (
        <Text size="sm" role="alert" className="wrap">
          {kept.error.message}
        </Text>
      )}
    </form>
  );
}
