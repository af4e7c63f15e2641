import { Alert, Button, Stack, Text, Textarea } from "@mantine/core";
import { useEffect, useState, type ReactElement } from "react";
import { type JobDetails, useStartJob } from "../../api/jobs.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { QuickJob } from "../../parts/job/quick-job.tsx";
import { JobFailure } from "../../parts/job/job-failure.tsx";

/** Asks what was seen, and records in the repository that a duty is done, by whoever asks. */
export function RecordDone({
  duty,
  what,
  onClose,
}: {
  readonly duty: string;
  readonly what: string;
  readonly onClose: () => void;
}): ReactElement {
  const [note, setNote] = useState("");
  const start = useStartJob();
  return (
    <Dialog title={`Record ${duty} as done`} error={start.error} onClose={onClose}>
      <Text size="sm" className="wrap">
        {what}
      </Text>
      {start.data === undefined ? (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const said = note.trim();
            start.mutate({
              kind: "checklist-done",
              options: { duty, ...(said === "" ? {} : { note: said }) },
            });
          }}
        >
          <Stack>
            <Textarea
              label="What did you see?"
              description="It stands beside your name, for whoever looks later. Not needed."
              maxLength={4000}
              autosize
              minRows={3}
              value={note}
              onChange={({ currentTarget }) => setNote(currentTarget.value)}
            />
            <Button type="submit" loading={start.isPending}>
              It is done
            </Button>
          </Stack>
        </form>
      ) : (
        <QuickJob id={start.data.id} doing="Writing it into the repository …">
          {(job) => <Recorded job={job} onClose={onClose} again={() => start.reset()} />}
        </QuickJob>
      )}
    </Dialog>
  );
}

function Recorded({
  job: { state, result, error, how },
  onClose,
  again,
}: {
  readonly job: JobDetails;
  readonly onClose: () => void;
  readonly again: () => void;
}): ReactElement | null {
  useEffect(() => {
    if (state === "done") onClose();
  }, [state, onClose]);
  if (state === "done") return null;
  if (state === "degraded") {
    const { unrecorded = [] } = (result ?? {}) as { unrecorded?: readonly string[] };
    return (
      <Alert color="orange" title="It is recorded, but not in every place" role="alert">
        <Text size="sm" className="wrap">
          {unrecorded.join("; ")}
        </Text>
      </Alert>
    );
  }
  return (
    <>
      <JobFailure title="It is not recorded" error={error} how={how} />
      <Button variant="default" onClick={again}>
        Try again
      </Button>
    </>
  );
}
