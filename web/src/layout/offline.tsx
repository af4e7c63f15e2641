import { Alert } from "@mantine/core";
import { IconPlugConnectedX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { overviewQuery } from "../api/queries.ts";
import { Refused } from "../api/request.ts";
import { Moment } from "../parts/moment.tsx";

/** Says that what is shown is no longer what is: nobody has answered since. */
export function Offline(): ReactElement | null {
  const { error, failureReason, dataUpdatedAt } = useQuery(overviewQuery());
  const reason = error ?? failureReason;
  if (reason === null || reason instanceof Refused || dataUpdatedAt === 0) return null;
  return (
    <Alert
      color="orange"
      icon={<IconPlugConnectedX aria-hidden />}
      mb="md"
      role="status"
      title="The daemon does not answer"
    >
      What you see is from <Moment at={new Date(dataUpdatedAt).toISOString()} />. It is asked again every few
      seconds.
    </Alert>
  );
}
