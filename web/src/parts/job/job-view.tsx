import { Button, Group, Progress, ScrollArea, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, type ReactElement } from "react";
import { formatDuration } from "../../../../src/lib/text.ts";
import { type Job, type JobEvent, jobQuery, useCancelJob, useJobEvents } from "../../api/jobs.ts";
import { Ago } from "../moment.tsx";
import { Answered } from "../states.tsx";
import { DrillResult, drillIn } from "./drill-result.tsx";
import { JobBadge } from "./job-badge.tsx";
import { JobFailure } from "./job-failure.tsx";
import { JobResult } from "./job-result.tsx";
import { Steps } from "./steps.tsx";
import { TypedCommand } from "../typed-command.tsx";
import { WayBack } from "./way-back.tsx";

/** A job while it goes on, and what came of it. */
export function JobView({ id }: { readonly id: string }): ReactElement {
  const query = useQuery(jobQuery(id));
  const events = useJobEvents(id);
  return (
    <Answered query={query}>
      {(job) => {
        const drill = drillIn(job.kind, job.result);
        return (
          <Stack gap="sm">
            <Group justify="space-between">
              <Group gap="sm">
                <JobBadge state={job.state} />
                <Text size="sm" className="quiet">
                  started <Ago at={job.startedAt} /> by {job.by}
                  {job.durationMs === null ? "" : `, took ${formatDuration(job.durationMs)}`}
                </Text>
              </Group>
              {job.state === "running" ? <Cancel id={id} /> : null}
            </Group>
            {job.state === "running" ? <HowFar events={events} /> : null}
            <Steps events={events} running={job.state === "running"} />
            {drill === undefined ? null : <DrillResult drill={drill} />}
            {job.state === "failed" || job.state === "interrupted" ? (
              <JobFailure title={endOf(job)} error={job.error} how={job.how} />
            ) : null}
            <JobResult job={job} result={job.result} />
            <WayBack job={job} />
            <Log events={events} />
            <TypedCommand words={job.command} />
          </Stack>
        );
      }}
    </Answered>
  );
}

/** How one ended that did not come to its end. */
function endOf({ state, cancelledBy }: Job): string {
  if (cancelledBy !== null) return `It was stopped by ${cancelledBy}`;
  return state === "failed" ? "It failed" : "It was interrupted";
}

function Cancel({ id }: { readonly id: string }): ReactElement {
  const cancel = useCancelJob();
  return (
    <Button
      variant="default"
      size="xs"
      loading={cancel.isPending}
      disabled={cancel.isSuccess}
      onClick={() => cancel.mutate(id)}
    >
      {cancel.isSuccess ? "Stopping …" : "Stop it"}
    </Button>
  );
}

function HowFar({ events }: { readonly events: readonly JobEvent[] }): ReactElement {
  const far = events.findLast((event) => event.kind === "progress");
  const share = far?.share ?? null;
  return (
    <div>
      <Progress
        value={share === null ? 100 : share * 100}
        animated={share === null}
        striped={share === null}
        size="lg"
        aria-label={far?.step ?? "Starting"}
      />
      <Text size="sm" mt={4} className="wrap" aria-live="polite">
        {far?.message ?? "Starting …"}
      </Text>
    </div>
  );
}

function Log({ events }: { readonly events: readonly JobEvent[] }): ReactElement | null {
  const lines = events.filter((event) => event.kind === "line");
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Not given back: newer browsers make a promise of it, which an effect must not be.
    end.current?.scrollIntoView({ block: "nearest" });
  }, [lines.length]);
  if (lines.length === 0) return null;
  return (
    <ScrollArea.Autosize
      mah={320}
      className="log"
      type="auto"
      viewportProps={{ tabIndex: 0, role: "log", "aria-label": "What it says" }}
    >
      {lines.map(({ seq, level, text, hint }) => (
        <div key={seq} data-level={level}>
          {text}
          {hint === null ? null : <div className="quiet">{hint}</div>}
        </div>
      ))}
      <div ref={end} />
    </ScrollArea.Autosize>
  );
}
