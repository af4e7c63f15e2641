/** The service says no: what it answers a request with. It is no failure of Handled's, and only the HTTP server sees it. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The `id` of an error answer: the name of its HTTP status. */
export function errorId(status: number): string {
  return ERROR_IDS[status] ?? "unexpected_error";
}

const ERROR_IDS: Readonly<Record<number, string>> = {
  400: "bad_request",
  401: "unauthorized",
  404: "not_found",
  412: "precondition_failed",
  422: "unprocessable_entity",
  429: "too_many_requests",
  500: "server_error",
  503: "service_unavailable",
};

export function notFound(what: string): Refusal {
  return new Refusal(404, `${what} was not found`);
}

export function unprocessable(reason: string): Refusal {
  return new Refusal(422, reason);
}
