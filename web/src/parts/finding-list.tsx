import { Anchor, Badge, Card, Group, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { Link } from "react-router";
import type { Answer } from "../api/queries.ts";

export type Finding = Answer<"findings">["findings"][number];

const COLORS = { critical: "red", warning: "orange", notice: "blue" } as const;
const ORDER = { critical: 0, warning: 1, notice: 2 } as const;

/** Findings, the worst first: what is wrong, and what to do. */
export function FindingList({ findings }: { readonly findings: readonly Finding[] }): ReactElement {
  const sorted = findings.toSorted((a, b) => ORDER[a.severity] - ORDER[b.severity]);
  return (
    <Stack gap="xs" component="ul" className="list">
      {sorted.map((finding) => (
        <Card
          key={`${finding.database ?? ""} ${finding.id} ${finding.subject}`}
          withBorder
          padding="sm"
          component="li"
          className="finding"
          data-severity={finding.severity}
        >
          <Group gap="xs" mb={4}>
            <Badge color={COLORS[finding.severity]} variant="filled" autoContrast>
              {finding.severity}
            </Badge>
            {finding.database === null ? null : (
              <Anchor
                size="sm"
                fw={600}
                component={Link}
                to={`/databases/${encodeURIComponent(finding.database)}`}
              >
                {finding.database}
              </Anchor>
            )}
            <Text size="xs" className="quiet" ff="monospace">
              {finding.id}
            </Text>
          </Group>
          <Text size="sm" className="wrap">
            {finding.message}
          </Text>
          {finding.hint === null ? null : (
            <Text size="sm" className="quiet wrap" mt={4}>
              {finding.hint}
            </Text>
          )}
        </Card>
      ))}
    </Stack>
  );
}
