import { counted } from "../lib/text.ts";
import type { StatusPage } from "./status-page.ts";

/** A status page in one line, for a person who decides what to do; null where all is well. */
export function describeStatus(page: StatusPage): string | null {
  if ("problem" in page) return `the service's status page cannot be read: ${page.problem}`;
  const { indicator, description, incidents, components } = page.report;
  const [incident, ...others] = incidents;
  if (incident !== undefined) {
    const { name, impact, status } = incident;
    const more = others.length === 0 ? "" : `, and ${counted(others.length, "more incident")}`;
    return `the service says: ${description}: ${name} (${impact}, ${status})${more}`;
  }
  if (indicator === "none" && components.length === 0) return null;
  const named = components.slice(0, 3).map((one) => `${one.name} (${one.status})`);
  return `the service says: ${[description, named.join(", ")].filter((text) => text !== "").join(": ")}`;
}
