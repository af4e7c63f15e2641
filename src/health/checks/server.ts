import type { Facts } from "../facts.ts";
import { type CheckId, type Finding, finding } from "../finding.ts";

/** Whether the live server is as backups need it, where it was asked. */
export function checkServer(facts: Facts): Finding[] {
  return facts.server.map(({ id, level, message, hint = null }) => {
    const check: CheckId =
      id === "connection" ? "server-unreachable" : id === "client" ? "client-too-old" : "clock-skew";
    return finding(check, facts, { message, hint, evidence: { level } });
  });
}
