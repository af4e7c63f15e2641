import { Modal, Stack } from "@mantine/core";
import type { ReactElement, ReactNode } from "react";
import { Failed } from "./states.tsx";

/** A question of its own, above the page. @param error why what was asked for was not done */
export function Dialog({
  title,
  error,
  onClose,
  children,
}: {
  readonly title: string;
  readonly error: Error | null;
  readonly onClose: () => void;
  readonly children: ReactNode;
}): ReactElement {
  return (
    <Modal
      opened
      onClose={onClose}
      // The title is a heading by itself.
      title={<strong>{title}</strong>}
      closeButtonProps={{ "aria-label": "Close" }}
      centered
    >
      <Stack>
        {error === null ? null : <Failed error={error} />}
        {children}
      </Stack>
    </Modal>
  );
}
