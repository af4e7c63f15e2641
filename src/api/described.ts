import type { z } from "zod";
import type { Role } from "../access/roles.ts";
import { ErrorJson } from "../json/common.ts";

const FAILURES = { "4xx": ErrorJson, "5xx": ErrorJson };

/** An address as a contract has it. */
interface Route {
  readonly summary: string;
  readonly role: Role | "public";
  readonly answer: z.ZodType;
  /** 200 where left out. */
  readonly status?: number;
  /** Media types of an answer that is not JSON. */
  readonly types?: readonly string[];
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly headers?: z.ZodType;
  readonly body?: z.ZodType;
}

type Part<R, From extends string, To extends string> =
  R extends Readonly<Record<From, infer Schema>> ? Record<To, Schema> : unknown;
type StatusOf<R> = R extends { readonly status: infer Status extends number } ? Status : 200;
interface Content<Answer> {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: Answer }>>;
}
type AnswerOf<R extends Route> = R extends { readonly types: readonly string[] }
  ? Content<R["answer"]>
  : R["answer"];

interface Described<R extends Route> {
  readonly config: { readonly role: R["role"] };
  readonly schema: {
    readonly summary: string;
    readonly description: string;
    readonly response: Record<StatusOf<R>, AnswerOf<R>> & typeof FAILURES;
  } & Part<R, "params", "params"> &
    Part<R, "query", "querystring"> &
    Part<R, "headers", "headers"> &
    Part<R, "body", "body">;
}

/** What Fastify has to know of an address: who may ask, what it takes, and what it answers. */
export function described<const R extends Route>(route: R): Described<R> {
  const { summary, role, answer, status = 200, types, params, query, headers, body } = route;
  const content = Object.fromEntries((types ?? []).map((type) => [type, { schema: answer }]));
  const schema = {
    summary,
    description: role === "public" ? "For everybody." : `Takes: ${role}.`,
    // Fastify takes a key without a value for a mistake.
    ...(params === undefined ? {} : { params }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
    response: { [status]: types === undefined ? answer : { description: summary, content }, ...FAILURES },
  };
  // What was left out of the route is left out of the type by the same names.
  return { config: { role }, schema } as unknown as Described<R>;
}
