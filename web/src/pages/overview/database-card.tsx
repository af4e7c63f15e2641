import { Badge, Card, Group, Stack, Text, Title } from "@mantine/core";
import { IconShieldCheck, IconShieldExclamation, IconShieldX } from "@tabler/icons-react";
import type { ReactElement, ReactNode } from "react";
import { Link } from "react-router";
import { formatBytes } from "../../../../src/lib/text.ts";
import { Fact } from "../../parts/fact.tsx";
import { Gauge } from "../../parts/gauge.tsx";
import { RunningJobs } from "../../parts/job/running-jobs.tsx";
import { Ago } from "../../parts/moment.tsx";
import { type DatabaseStatus, type Protection, protectionOf } from "./protection.ts";

const LOOKS = {
  protected: { color: "green", label: "Protected", Icon: IconShieldCheck },
  "at risk": { color: "orange", label: "Needs a look", Icon: IconShieldExclamation },
  unprotected: { color: "red", label: "Not protected", Icon: IconShieldX },
} as const;

/** Whether one database could be brought back, as of when, and how long that would take. */
export function DatabaseCard({
  database,
  named = true,
  children,
}: {
  readonly database: DatabaseStatus;
  /** Whether it says its name: not where the page does. */
  readonly named?: boolean;
  /** What else it says, last. */
  readonly children?: ReactNode;
}): ReactElement {
  const { dataAtRiskMs, rpoMs, rtoMs, timeToRecover, newestPoint, provenPoint, nextRun } = database;
  const protection = protectionOf(database);
  return (
    <Card withBorder padding="md" component="article" aria-label={database.database}>
      <Group justify="space-between" mb="xs" gap="xs">
        {named ? (
          <Title order={2} size="h4" className="wrap">
            <Link className="plain" to={`/databases/${encodeURIComponent(database.database)}`}>
              {database.database}
            </Link>
          </Title>
        ) : null}
        <ProtectionBadge protection={protection} />
      </Group>
      <Text size="sm" className="quiet wrap" mb="md" lineClamp={3} title={protection.why}>
        {sentence(protection.why)}
      </Text>
      <Stack gap="sm">
        <RunningJobs database={database.database} />
        <Gauge label="Data at risk now" value={dataAtRiskMs} limit={rpoMs} limitName="RPO" />
        <Gauge
          label="Time to recover now"
          value={timeToRecover.predictedMs ?? timeToRecover.measuredMs}
          limit={rtoMs}
          limitName="RTO"
          {...(timeToRecover.basis === null ? {} : { note: timeToRecover.basis })}
        />
        <dl className="facts">
          <Fact name="Newest recovery point">
            {newestPoint === null ? "none" : <Ago at={newestPoint.at} />}
            {newestPoint?.kind === "provider" ? " (the service's)" : null}
          </Fact>
          <Fact name="Newest proven">{provenPoint === null ? "none" : <Ago at={provenPoint.at} />}</Fact>
          <Fact name="Next backup">{nextRun === null ? "not scheduled" : <Ago at={nextRun} />}</Fact>
          <Fact name="Backups">
            {database.backups} · {formatBytes(database.storedBytes)}
          </Fact>
        </dl>
        {children}
      </Stack>
    </Card>
  );
}

function ProtectionBadge({ protection: { level } }: { readonly protection: Protection }): ReactElement {
  const { color, label, Icon } = LOOKS[level];
  return (
    <Badge color={color} variant="filled" autoContrast size="lg" leftSection={<Icon size={16} aria-hidden />}>
      {label}
    </Badge>
  );
}

const sentence = (text: string): string =>
  `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
