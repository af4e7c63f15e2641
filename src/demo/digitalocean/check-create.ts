import { LAYOUTS, REGIONS } from "./catalogue.ts";
import { unprocessable } from "./refusal.ts";
import type { CreateRequest } from "./requests.ts";
import { checkRules } from "./check-rules.ts";

/** Refuses (422) what the service does not offer; the major version otherwise. */
export function checkCreate(request: CreateRequest, majors: readonly number[]): number {
  const { engine, version, region, size, num_nodes } = request;
  if (engine !== "pg") throw unprocessable(`engine: ${engine} is not offered`);
  const major = version === undefined ? majors.at(-1) : majors.find((one) => String(one) === version);
  if (major === undefined) throw unprocessable(`version: ${version ?? "any"} is not offered`);
  if (!REGIONS.some((one) => one === region)) throw unprocessable(`region: ${region} is not offered`);
  const layout = LAYOUTS.find((one) => one.num_nodes === num_nodes);
  if (layout === undefined) throw unprocessable(`num_nodes: ${num_nodes} is not offered`);
  if (!layout.sizes.includes(size))
    throw unprocessable(`size: ${size} is not offered with ${num_nodes} nodes`);
  checkRules(request.rules ?? []);
  return major;
}
