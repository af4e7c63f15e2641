import { Button, Stack } from "@mantine/core";
import { useState, type ReactElement } from "react";
import { NewPasswordInput } from "../../parts/new-password-input.tsx";
import { Copied } from "./copied.tsx";

// Without those that are taken for one another.
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";

/** Asks for a password for somebody, or makes one up to be handed over. */
export function NewPassword({
  value,
  onChange,
}: {
  readonly value: string;
  readonly onChange: (password: string) => void;
}): ReactElement {
  const [made, setMade] = useState(false);
  if (made) return <Copied label="Password, to hand over: it is shown no more later" value={value} />;
  return (
    <Stack gap="xs" align="stretch">
      <NewPasswordInput label="Password" value={value} onChange={onChange} />
      <Button
        size="compact-sm"
        variant="default"
        type="button"
        onClick={() => {
          onChange(madeUp());
          setMade(true);
        }}
      >
        Make one up
      </Button>
    </Stack>
  );
}

/** Five groups of four, of which nobody guesses any: 31 letters, 99 bits. */
function madeUp(): string {
  const groups = Array.from({ length: 5 }, () => Array.from({ length: 4 }, letter).join(""));
  return groups.join("-");
}

/** Each as likely as any other: what would favour the first ones is drawn again. */
function letter(): string {
  for (;;) {
    const [byte = 255] = crypto.getRandomValues(new Uint8Array(1));
    if (byte < 256 - (256 % LETTERS.length)) return LETTERS[byte % LETTERS.length] ?? "";
  }
}
