import { Progress, Text, Title } from "@mantine/core";
import {
  IconCircle,
  IconCircleCheckFilled,
  IconCircleXFilled,
  IconPlayerPlayFilled,
  IconPlayerStopFilled,
} from "@tabler/icons-react";
import type { ReactElement } from "react";
import { formatDuration } from "../../../../src/lib/text.ts";
import type { JobEvent } from "../../api/jobs.ts";
import { useNow } from "../moment.tsx";

type PlanEvent = Extract<JobEvent, { readonly kind: "plan" }>;
type Planned = PlanEvent["steps"][number];
type StepEvent = Extract<JobEvent, { readonly kind: "step" }>;
type Look = "waiting" | "running" | "stopped" | "done" | "failed";

const ICONS = {
  waiting: IconCircle,
  running: IconPlayerPlayFilled,
  stopped: IconPlayerStopFilled,
  done: IconCircleCheckFilled,
  failed: IconCircleXFilled,
} as const;

/** The steps of a recovery or drill while it goes on, each against its budget; nothing before it has a plan. */
export function Steps({
  events,
  running,
}: {
  readonly events: readonly JobEvent[];
  readonly running: boolean;
}): ReactElement | null {
  const plan = events.findLast((event) => event.kind === "plan");
  if (plan === undefined) return null;
  const of = new Map<string, StepEvent>();
  for (const event of events) if (event.kind === "step") of.set(event.id, event);
  return (
    <section aria-labelledby="steps">
      <Title order={2} size="h5" id="steps" mb={4}>
        Steps
      </Title>
      <ol className="steps">
        {plan.steps.map((step) => (
          <OneStep key={step.id} step={step} event={of.get(step.id)} running={running} />
        ))}
      </ol>
    </section>
  );
}

function OneStep({
  step,
  event,
  running,
}: {
  readonly step: Planned;
  readonly event: StepEvent | undefined;
  readonly running: boolean;
}): ReactElement {
  const look = lookOf(event, running);
  const Icon = ICONS[look];
  return (
    <li data-look={look} aria-current={look === "running" ? "step" : undefined}>
      <Icon size={20} aria-hidden />
      <div className="step">
        <div className="step-line">
          <Text size="sm" fw={look === "running" ? 700 : 500} className="wrap" component="span">
            {step.title}
          </Text>
          <Text size="sm" className="quiet nowrap" component="span">
            {look === "running" && event !== undefined ? (
              <Elapsed since={event.at} />
            ) : event?.ms == null ? (
              WORDS[look]
            ) : (
              <Took ms={event.ms} budgetMs={step.budgetMs} before={event.outcome === "done before"} />
            )}
            {` of ${formatDuration(step.budgetMs)}`}
          </Text>
        </div>
        <StepBar step={step} event={event} look={look} />
        {look === "failed" ? (
          <Text size="sm" mt={4} className="wrap">
            {step.ifItFails}
          </Text>
        ) : null}
      </div>
    </li>
  );
}

const WORDS: Readonly<Record<Look, string>> = {
  waiting: "not begun",
  running: "running",
  stopped: "stopped",
  done: "done",
  failed: "failed",
};

function StepBar({
  step: { title, budgetMs },
  event,
  look,
}: {
  readonly step: Planned;
  readonly event: StepEvent | undefined;
  readonly look: Look;
}): ReactElement {
  const now = useNow(1000);
  const ms = event?.ms ?? (look === "running" && event !== undefined ? now - Date.parse(event.at) : 0);
  const share = budgetMs === 0 ? 0 : Math.max(0, ms) / budgetMs;
  return (
    <Progress
      value={look === "waiting" ? 0 : Math.min(100, Math.max(1, share * 100))}
      color={look === "failed" || share > 1 ? "red" : look === "stopped" ? "orange" : "teal"}
      size="sm"
      mt={2}
      aria-label={`${title}: ${Math.round(share * 100)} % of its budget`}
    />
  );
}

function Elapsed({ since }: { readonly since: string }): ReactElement {
  const now = useNow(1000);
  return <>{formatDuration(Math.max(0, Math.floor((now - Date.parse(since)) / 1000)) * 1000)}</>;
}

function Took({
  ms,
  budgetMs,
  before,
}: {
  readonly ms: number;
  readonly budgetMs: number;
  readonly before: boolean;
}): ReactElement {
  return (
    <>
      {before ? "done before, " : ""}
      <strong>{formatDuration(ms)}</strong>
      {ms > budgetMs ? " (over)" : ""}
    </>
  );
}

function lookOf(event: StepEvent | undefined, running: boolean): Look {
  switch (event?.outcome) {
    case undefined:
      return "waiting";
    case "begun":
      return running ? "running" : "stopped";
    case "done":
    case "done before":
      return "done";
    case "failed":
      return "failed";
  }
}
