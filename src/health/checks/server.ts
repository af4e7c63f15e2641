import type { Facts } from "../facts.ts";
import { type CheckId, type Finding, finding } from "../finding.ts";

type Asked = Facts["server"][number];

/** Whether the live server is as backups need it, where it was asked. */
export function checkServer(facts: Facts): Finding[] {
  return facts.server.map((asked) => {
    const { level, message, hint = null, items } = asked;
    const id = checkOf(asked);
    if (id !== "privilege-missing") return finding(id, facts, { message, hint, evidence: { level } });
    return finding(id, facts, {
      subject: asked.id,
      message: `the next backup will fail: ${message}`,
      hint,
      evidence: { level, objects: items.length },
    });
  });
}

function checkOf({ id, code }: Asked): CheckId {
  if (id === "client") return "client-too-old";
  if (id === "clock") return "clock-skew";
  // Whatever else keeps it from answering.
  return code === "privilege_missing" ? "privilege-missing" : "server-unreachable";
}
