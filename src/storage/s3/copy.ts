import type { Connection } from "./connection.ts";
import { MultipartUpload, requireSize } from "./multipart.ts";
import { evenPartSize } from "./part-sizes.ts";
import type { Requests } from "./requests.ts";

// One request copies so much in seconds anywhere; its answer comes only at the end, and we do not wait for ever.
const IN_ONE_REQUEST = 128 * 1024 ** 2;
const PARALLEL = 8;

/** Copies an object within its bucket, on the server. It appears whole under its new key, or not at all. */
export async function copyObject(
  connection: Connection,
  requests: Requests,
  [from, to]: readonly [from: string, to: string],
  size: number,
  signal: AbortSignal,
): Promise<void> {
  const { bucket } = connection.place;
  const source = `${bucket}/${from.split("/").map(encodeURIComponent).join("/")}`;
  if (size > IN_ONE_REQUEST) {
    await copyInParts(connection, requests, { source, to, size }, signal);
    return;
  }
  const input = { Bucket: bucket, Key: to, CopySource: source };
  await connection.ask(`copy to ${requests.nameOf(to)}`, signal, (attempt) => {
    const lock = requests.retention.ofAttempt(to, attempt);
    return attempt.client.send(new attempt.sdk.CopyObjectCommand({ ...input, ...lock }), attempt.options);
  });
  await requireSize(requests, to, size, signal);
  await requests.retention.confirm(to, { sure: false }, signal);
}

async function copyInParts(
  connection: Connection,
  requests: Requests,
  { source, to, size }: { readonly source: string; readonly to: string; readonly size: number },
  signal: AbortSignal,
): Promise<void> {
  const upload = await MultipartUpload.begin(connection, requests, to, { parts: PARALLEL }, signal);
  try {
    const step = evenPartSize(size, IN_ONE_REQUEST);
    for (let first = 0; first < size; first += step) {
      await upload.copy(source, [first, Math.min(first + step, size) - 1]);
    }
    await upload.complete(size);
    await requests.retention.confirm(to, { sure: false }, signal);
  } catch (error) {
    // The first error says why; what cannot be given up now is swept later.
    await upload.abort().catch(() => undefined);
    throw error;
  }
}
