import { Alert, Badge, Box, Button, Card, Group, Stack, Text, Title } from "@mantine/core";
import { IconSend } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { mayAs } from "../../../../src/access/roles.ts";
import { counted, formatDuration } from "../../../../src/lib/text.ts";
import type { NotifyTestJson } from "../../../../src/api/contract/channels.ts";
import { type JobDetails, useStartJob } from "../../api/jobs.ts";
import { type Channel, channelsQuery } from "../../api/settings.ts";
import { QuickJob } from "../../parts/job/quick-job.tsx";
import { JobFailure } from "../../parts/job/job-failure.tsx";
import { Ago } from "../../parts/moment.tsx";
import { Fact } from "../../parts/fact.tsx";
import { Answered, Empty, Failed } from "../../parts/states.tsx";
import { SettingsSection } from "./frame.tsx";

const KINDS = { email: "e-mail", slack: "Slack", webhook: "webhook", ping: "ping" } as const;

/** Who is told when something is wrong, and whether that arrives. */
export function ChannelSettings(): ReactElement {
  const query = useQuery(channelsQuery());
  return (
    <SettingsSection>
      {({ role }) => (
        <Answered query={query}>
          {({ channels }) =>
            channels.length === 0 ? (
              <Empty title="Nobody is told when something is wrong">
                `notify:` in the strategy names who is: by e-mail, Slack, a webhook, or a service that waits
                for pings.
              </Empty>
            ) : (
              <Stack>
                {channels.map((channel) => (
                  <ChannelCard key={channel.name} channel={channel} mayTest={mayAs(role, "operator")} />
                ))}
              </Stack>
            )
          }
        </Answered>
      )}
    </SettingsSection>
  );
}

function ChannelCard({
  channel: { name, kind, told, lastAt, failing },
  mayTest,
}: {
  readonly channel: Channel;
  readonly mayTest: boolean;
}): ReactElement {
  const start = useStartJob();
  const [test, setTest] = useState<string | null>(null);
  const isOver = (): void => setTest(null);
  return (
    <Card withBorder component="section" aria-label={name}>
      <Group justify="space-between" mb="sm">
        <Group gap="xs">
          <Title order={2} size="h4" className="wrap">
            {name}
          </Title>
          <Badge variant="default">{KINDS[kind]}</Badge>
          {failing === null ? null : (
            <Badge color="red" autoContrast>
              does not arrive
            </Badge>
          )}
        </Group>
        {mayTest ? (
          <Button
            size="sm"
            variant="default"
            leftSection={<IconSend size={16} aria-hidden />}
            loading={start.isPending}
            onClick={() => {
              isOver();
              start.mutate(
                { kind: "notify-test", options: { channel: name } },
                { onSuccess: ({ id }) => setTest(id) },
              );
            }}
          >
            Send a test
          </Button>
        ) : null}
      </Group>
      <dl className="facts">
        <Fact name="Told of">{toldOf(kind, told)}</Fact>
        <Fact name="Last message">
          {lastAt !== null ? <Ago at={lastAt} /> : kind === "ping" ? "not kept of pings" : "none yet"}
        </Fact>
        {failing === null ? null : (
          <>
            <Fact name="Fails since">
              <Ago at={failing.since} />
            </Fact>
            <Fact name="Tried since">{counted(failing.attempts, "time")}</Fact>
          </>
        )}
      </dl>
      {failing === null ? null : (
        <Text size="sm" className="wrap" mt="xs">
          {failing.reason}
        </Text>
      )}
      <div aria-live="polite">
        {start.error === null ? null : <Failed error={start.error} />}
        {test === null ? null : (
          <QuickJob id={test} doing="Sending …">
            {(job) => <Tested job={job} name={name} />}
          </QuickJob>
        )}
      </div>
    </Card>
  );
}

function Tested({ job, name }: { readonly job: JobDetails; readonly name: string }): ReactElement {
  const { channels = [] } = (job.result ?? {}) as Partial<NotifyTestJson>;
  const tested = channels.find(({ channel }) => channel === name);
  if (tested?.delivered === true) {
    return (
      <Alert color="green" title="The test has arrived" mt="sm">
        The other side took it, in {formatDuration(tested.durationMs)}.
      </Alert>
    );
  }
  return (
    <Box mt="sm">
      <JobFailure title="The test did not arrive" error={tested?.error ?? job.error} how={job.how} />
    </Box>
  );
}

function toldOf(kind: Channel["kind"], told: Channel["told"]): string {
  if (kind === "ping") return "backups that begin, succeed and fail";
  if (told.length === 0) return "nothing: no route leads to it";
  return told
    .map(({ severity, databases }) => {
      const what =
        severity === "notice" ? "everything" : severity === "warning" ? "warnings and worse" : severity;
      return databases === null ? what : `${what} of ${databases.join(", ")}`;
    })
    .join("; ");
}
