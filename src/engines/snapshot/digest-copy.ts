import type { Session } from "../../postgres/session.ts";
import type { RowDigest } from "./row-digest.ts";
import type { RowsRead } from "./worker-messages.ts";

/** Reads what a `COPY … TO STDOUT` gives and keeps nothing of it but its count, size and digest. */
export async function digestCopy(session: Session, sql: string, digest: RowDigest): Promise<RowsRead> {
  let bytes = 0;
  await session.copyOut(sql, (chunk) => {
    bytes += chunk.length;
    digest.update(chunk);
  });
  return { bytes, ...digest.finish() };
}
