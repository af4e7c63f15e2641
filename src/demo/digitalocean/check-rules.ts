import { isIPv4 } from "node:net";
import { unprocessable } from "./refusal.ts";
import type { RuleRequest } from "./requests.ts";

/** Refuses (422) trusted sources that cannot be: an address must be one of IPv4, and each source is named once. */
export function checkRules(rules: readonly RuleRequest[]): void {
  const seen = new Set<string>();
  for (const { type, value } of rules) {
    if (type === "ip_addr" && !isIPv4(value)) throw unprocessable(`rules: ${value} is no IPv4 address`);
    const source = `${type} ${value}`;
    if (seen.has(source)) throw unprocessable(`rules: ${source} is there twice`);
    seen.add(source);
  }
}
