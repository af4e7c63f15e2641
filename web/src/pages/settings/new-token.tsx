import { Button, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useState, type ReactElement } from "react";
import { mayAs, ROLES, type Role } from "../../../../src/access/roles.ts";
import { request } from "../../api/request.ts";
import { type MadeToken, useChange } from "../../api/settings.ts";
import { Moment } from "../../parts/moment.tsx";
import { Copied } from "./copied.tsx";
import { Dialog } from "../../parts/dialog.tsx";

const DAYS = [
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "365 days" },
];

interface Asked {
  readonly label: string;
  readonly role: Role;
  readonly dangerous: boolean;
  readonly days: number;
}

/** Asks what for, makes it, and shows it once. @param role of whoever makes it: it never may more */
export function NewToken({
  role: most,
  onClose,
}: {
  readonly role: Role;
  readonly onClose: () => void;
}): ReactElement {
  const [label, setLabel] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [days, setDays] = useState("90");
  const [dangerous, setDangerous] = useState(false);
  const make = useChange<Asked, MadeToken>(
    ["tokens"],
    async (body) => await request("POST", "/api/tokens", { body }),
  );
  const { data: made } = make;
  if (made !== undefined) {
    return (
      <Dialog title={`Token for ${made.token.label}`} error={null} onClose={onClose}>
        <Copied label="Token" value={made.secret} />
        <Text size="sm">
          It is shown this once, and kept nowhere. It is good until <Moment at={made.token.expiresAt} />.
        </Text>
        <Button onClick={onClose}>I have it</Button>
      </Dialog>
    );
  }
  return (
    <Dialog title="Make a token" error={make.error} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate({ label, role, dangerous: dangerous && role === "admin", days: Number(days) });
        }}
      >
        <Stack>
          <TextInput
            label="What is it for?"
            placeholder="the deploy script"
            maxLength={80}
            required
            value={label}
            onChange={({ currentTarget }) => setLabel(currentTarget.value)}
          />
          <Select
            label="What may it do?"
            data={ROLES.filter((one) => mayAs(most, one))}
            value={role}
            allowDeselect={false}
            onChange={(value) => setRole(value ?? role)}
          />
          {role === "admin" ? (
            <Switch
              label="Also what asks people for their password again"
              checked={dangerous}
              onChange={({ currentTarget }) => setDangerous(currentTarget.checked)}
            />
          ) : null}
          <Select
            label="How long is it good?"
            data={DAYS}
            value={days}
            allowDeselect={false}
            onChange={(value) => setDays(value ?? days)}
          />
          <Button type="submit" loading={make.isPending}>
            Make it
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}
