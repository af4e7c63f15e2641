import { counted } from "../../lib/text.ts";
import type { KeyNewJson, KeyRewrapJson, KeyShowJson } from "../../json/keys.ts";

export function renderKeyNew({ recipient, identity, file }: KeyNewJson): string {
  if (identity === null) return `identity in ${file ?? ""}\nrecipient: ${recipient}`;
  return [
    "# Opens every backup that is encrypted to it. It is shown this once: print it, and keep it away from the backups.",
    `# public key: ${recipient}`,
    identity,
  ].join("\n");
}

export function renderKeyShow({ repositories }: KeyShowJson): string {
  return repositories
    .map(({ place, isMade, wanted, recipients, hosts, mixed }) =>
      [
        place,
        ...(recipients ?? []).map((key) => `  recipient  ${key}`),
        ...hosts.map((key) => `  host       ${key}`),
        ...(isMade ? [] : ["  not made yet: the first `handled backup` makes it"]),
        ...(isMade && recipients === null ? ["  not encrypted"] : []),
        ...(wanted ?? [])
          .filter((key) => recipients?.includes(key) !== true)
          .map((key) => `  in the strategy only: ${key}`),
        ...(mixed ? ["  some objects are sealed to fewer keys: `handled key rewrap` ends that"] : []),
      ].join("\n"),
    )
    .join("\n");
}

export function renderRewrap({ place, recipients, hosts, objects }: KeyRewrapJson): string {
  return `${place}: ${counted(objects, "object")} sealed to ${counted(recipients.length, "recipient")} and ${counted(hosts.length, "host")}`;
}
