import type { FastifyRequest } from "fastify";
import type { Role } from "./contract/job-routes.ts";

/** Who asks. */
export interface Caller {
  readonly name: string;
  readonly role: Role;
}

/** Nobody is asked who they are yet: whoever reaches us is this machine's own user. */
export function callerOf(_request: FastifyRequest): Caller {
  return { name: "somebody on this machine", role: "admin" };
}
