/** What the API said instead of an answer, or why it said nothing. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(status: number, { code, message, hint }: { code: string; message: string; hint?: string }) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** Nobody answers. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/**
 * Asks the API. Fails with `Refused` where it answers with an error, and with `Unreachable` where nobody answers.
 * @param body is sent as JSON
 */
export async function request<Answer>(
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  { body, signal }: { readonly body?: unknown; readonly signal?: AbortSignal } = {},
): Promise<Answer> {
  const response = await fetch(path, {
    method,
    ...(signal === undefined ? {} : { signal }),
    ...(method === "GET"
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) }),
  }).catch((error: unknown) => {
    throw signal?.aborted === true ? error : new Unreachable("the daemon does not answer", { cause: error });
  });
  const type = response.headers.get("content-type") ?? "";
  if (response.ok) {
    if (response.status === 204) return undefined as Answer;
    return (type.includes("json") ? await response.json() : await response.text()) as Answer;
  }
  throw new Refused(response.status, await errorOf(response, type));
}

async function errorOf(
  response: Response,
  type: string,
): Promise<{ code: string; message: string; hint?: string }> {
  if (type.includes("json")) {
    const { error } = (await response.json()) as { error?: { code: string; message: string; hint?: string } };
    if (error !== undefined) return error;
  }
  // Something between us and the daemon.
  return { code: "unexpected", message: `${response.status} ${response.statusText}` };
}
