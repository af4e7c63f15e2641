import type { ANSWERS } from "./answers.ts";
import { notFound } from "./refusal.ts";

/** A request as its handler gets it. */
export interface ApiRequest {
  /** What stood in the place of `:name` in the route's path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The JSON of the body; undefined when there is none. */
  readonly body: unknown;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body?: object;
}

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `/v2/databases/:id`. */
  readonly path: string;
  readonly handle: (request: ApiRequest) => ApiAnswer | Promise<ApiAnswer>;
  /** What the contract says that its answer is. */
  readonly answer: keyof typeof ANSWERS;
}

/** The route of a method and path, with what its path names; refused with 404 when there is none. */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly route: Route; readonly params: Readonly<Record<string, string>> } {
  const parts = path.split("/");
  for (const route of routes) {
    const params = route.method === method ? match(route.path.split("/"), parts) : undefined;
    if (params !== undefined) return { route, params };
  }
  throw notFound(`${method} ${path}`);
}

function match(pattern: readonly string[], parts: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, piece] of pattern.entries()) {
    const part = decode(parts[index] ?? "");
    if (part === undefined) return undefined;
    if (piece.startsWith(":")) params[piece.slice(1)] = part;
    else if (piece !== part) return undefined;
  }
  return params;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
