import { Group, Progress, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { formatDuration } from "../../../src/lib/text.ts";

/** A time against what it may be at most: both in milliseconds; null where it is not known, or nothing is set. */
export function Gauge({
  label,
  value,
  limit,
  limitName,
  note,
}: {
  readonly label: string;
  readonly value: number | null;
  readonly limit: number | null;
  readonly limitName: string;
  readonly note?: string;
}): ReactElement {
  const share = value === null || limit === null || limit === 0 ? null : value / limit;
  return (
    <div title={note}>
      <Group justify="space-between" gap="xs" mb={4}>
        <Text size="sm">{label}</Text>
        <Text size="sm" component="span">
          <strong>{value === null ? "unknown" : formatDuration(calm(value))}</strong>
          <span className="quiet">
            {limit === null ? ` · no ${limitName} set` : ` of ${formatDuration(limit)}`}
          </span>
        </Text>
      </Group>
      <Progress
        value={share === null ? 0 : Math.min(100, Math.max(1.5, share * 100))}
        color={colorOf(share)}
        size="md"
        aria-label={
          share === null
            ? `${label}: not known`
            : `${label}: ${Math.round(share * 100)} % of the ${limitName}`
        }
      />
    </div>
  );
}

/** Without what changes every second, where minutes are what counts. */
function calm(ms: number): number {
  return ms < 60_000 ? ms : Math.floor(ms / 60_000) * 60_000;
}

function colorOf(share: number | null): string {
  if (share === null) return "gray";
  if (share > 1) return "red";
  return share > 0.8 ? "orange" : "teal";
}
