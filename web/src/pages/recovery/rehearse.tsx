import { Button, Group, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { useNavigate } from "react-router";
import { useStartJob } from "../../api/jobs.ts";
import { databasesQuery } from "../../api/queries.ts";
import { sessionQuery } from "../../api/session.ts";
import { Failed } from "../../parts/states.tsx";

const SCENARIOS = [
  { value: "server-lost", label: "The server is lost" },
  { value: "provider-down", label: "The managed service is down" },
  { value: "data-deleted", label: "Data was deleted" },
  { value: "everything-lost", label: "Everything is lost" },
] as const;
type Scenario = (typeof SCENARIOS)[number]["value"];

/** Runs a disaster's plan on throw-away ground: nothing of production is written. */
export function Rehearse(): ReactElement | null {
  const [scenario, setScenario] = useState<Scenario>("server-lost");
  const [chosen, choose] = useState<string | null>(null);
  const { data: session } = useQuery(sessionQuery());
  const { data: status } = useQuery(databasesQuery());
  const start = useStartJob();
  const navigate = useNavigate();
  const databases = status?.databases.map(({ database }) => database) ?? [];
  const database = chosen ?? databases[0] ?? null;
  if (session?.user == null || session.user.role === "viewer" || database === null) return null;
  return (
    <div>
      <Group align="flex-end">
        <Select
          label="What is to have happened"
          data={SCENARIOS}
          value={scenario}
          allowDeselect={false}
          onChange={(value) => setScenario((value ?? "server-lost") as Scenario)}
        />
        <Select label="Database" data={databases} value={database} allowDeselect={false} onChange={choose} />
        <Button
          loading={start.isPending}
          onClick={() =>
            start.mutate(
              { kind: "drill", database, options: { scenario } },
              { onSuccess: ({ id }) => void navigate(`/jobs/${id}`) },
            )
          }
        >
          Rehearse
        </Button>
      </Group>
      {start.error === null ? null : <Failed error={start.error} />}
    </div>
  );
}
