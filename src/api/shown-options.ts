import type { JobRequest, PlanRequest } from "./contract/jobs.ts";

/** What was asked for, as it may be kept and shown: an address is without its password. */
export function shownOptions(request: JobRequest | PlanRequest): JobRequest["options"] {
  if (request.kind !== "recover" || request.options.to === undefined) return request.options;
  const to = request.options.to.map(({ database, url }) => ({ database, url: withoutPassword(url) }));
  return { ...request.options, to };
}

/** Built anew of what holds no secret; where it is not sure what is one, nothing of it is shown. */
function withoutPassword(text: string): string {
  const url = URL.parse(text);
  // A slash in a password that nobody has encoded puts its rest into the path.
  if (url === null || url.pathname.includes("@")) return "postgresql://…";
  const whose = url.username === "" ? "" : `${url.username}@`;
  return `postgresql://${whose}${url.host}${url.pathname}`;
}
