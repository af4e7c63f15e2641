import type { Contact } from "../../../config/strategy.ts";
import { blank, facts, type Section } from "./page.ts";

/** Those of the strategy, or lines to write them on. */
export function contactSection(contacts: readonly Contact[]): Section {
  const rows = contacts.map(({ name, role, email, phone, note }): [string, string] => [
    name,
    [role, phone, email, note].filter((one) => one !== undefined).join(" · "),
  ]);
  const blocks = rows.length > 0 ? [facts(rows)] : [blank("First"), blank("Then")];
  return { title: "Whom to call", blocks };
}
