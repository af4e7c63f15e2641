import { Alert, Text } from "@mantine/core";
import type { ReactElement } from "react";
import type { Job } from "../../api/jobs.ts";

/** Why something that a job was to do is not done, and what to do about it. @param how it ended, where no error says so */
export function JobFailure({
  title,
  error,
  how,
}: {
  readonly title: string;
  readonly error: Job["error"];
  readonly how: string | null;
}): ReactElement {
  return (
    <Alert color="red" title={title} role="alert">
      <Text size="sm" className="wrap">
        {error?.message ?? `How it ended: ${how ?? "nobody knows"}.`}
      </Text>
      {error?.hint == null ? null : (
        <Text size="sm" className="quiet wrap">
          {error.hint}
        </Text>
      )}
    </Alert>
  );
}
