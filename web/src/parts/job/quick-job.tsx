import { Group, Loader, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { type JobDetails, jobQuery, useJobEvents } from "../../api/jobs.ts";
import { Failed } from "../states.tsx";

/** A job of a moment, where it was asked for: that it goes on, and then what came of it. */
export function QuickJob({
  id,
  doing,
  children,
}: {
  readonly id: string;
  readonly doing: string;
  readonly children: (ended: JobDetails) => ReactNode;
}): ReactElement {
  // When it has ended, it is asked for again, with all else.
  useJobEvents(id);
  const { data, error } = useQuery(jobQuery(id));
  if (data !== undefined && data.state !== "running") return <>{children(data)}</>;
  if (error !== null) return <Failed error={error} />;
  return (
    <Group gap="xs" mt="sm" role="status">
      <Loader size="xs" />
      <Text size="sm">{doing}</Text>
    </Group>
  );
}
