import { Center, Group, Paper, Title } from "@mantine/core";
import { useEffect, type ReactElement, type ReactNode } from "react";

/** What is shown to whom nobody knows yet. */
export function Door({
  title,
  children,
}: {
  readonly title: string;
  readonly children: ReactNode;
}): ReactElement {
  useEffect(() => {
    document.title = `${title} · Handled`;
  }, [title]);
  return (
    <Center component="main" mih="100vh" p="md">
      <Paper withBorder p="xl" radius="md" w="100%" maw={420}>
        <Group mb="lg" gap="sm">
          <img src="/icon.svg" alt="" width={32} height={32} />
          <Title order={1} size="h3">
            {title}
          </Title>
        </Group>
        {children}
      </Paper>
    </Center>
  );
}
