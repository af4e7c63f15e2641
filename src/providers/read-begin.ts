/** The begin of an answer's body. */
export interface Begin {
  readonly text: string;
  /** Whether that is all of it. */
  readonly isWhole: boolean;
}

/** Reads a body until it ends or is too long; what comes then is not waited for. @param most bytes, after decompression */
export async function beginOf(body: Response["body"], most: number): Promise<Begin> {
  if (body === null) return { text: "", isWhole: true };
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop ends the connection.
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > most) return { text: "", isWhole: false };
  }
  return { text: Buffer.concat(chunks).toString("utf8"), isWhole: true };
}
