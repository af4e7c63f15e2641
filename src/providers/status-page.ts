import { z } from "zod";
import { errorCode, messageOf } from "../errors.ts";
import { PROGRAM } from "../lib/program.ts";
import { formatBytes, formatDuration } from "../lib/text.ts";
import { beginOf, type Begin } from "./read-begin.ts";
import { plainText } from "./plain-text.ts";

// The public JSON of Statuspage, which many services use for their status pages. Every such page documents its own at `/api`
// (https://status.digitalocean.com/api, "Summary"). Only what is used is read; words that are not known are shown as they are.

const Component = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  /** Whether it stands for those that name it as their `group_id`. */
  group: z.boolean().nullish(),
  group_id: z.string().nullish(),
});

const Incident = z.object({
  name: z.string(),
  status: z.string(),
  impact: z.string(),
  created_at: z.string().nullish(),
  started_at: z.string().nullish(),
  /** The newest first. */
  incident_updates: z.array(z.object({ body: z.string() })).nullish(),
  components: z.array(Component).nullish(),
});

const Summary = z.object({
  status: z.object({ indicator: z.string(), description: z.string() }),
  components: z.array(Component),
  incidents: z.array(Incident),
  scheduled_maintenances: z.array(Incident).nullish(),
});
type Summary = z.output<typeof Summary>;

/** What a service says of itself. All texts are one line without control characters. */
interface StatusReport {
  /** `none`, `minor`, `major`, `critical`, `maintenance`, or another word of the page's. */
  readonly indicator: string;
  /** In words: `All Systems Operational`. */
  readonly description: string;
  /** What is not over, and maintenance that goes on; what touches databases first. */
  readonly incidents: readonly StatusIncident[];
  /** Those that are not operational, databases first. */
  readonly components: readonly StatusComponent[];
}

interface StatusIncident {
  readonly name: string;
  /** `investigating`, `identified`, `monitoring`, `in_progress` … */
  readonly status: string;
  /** `none`, `minor`, `major`, `critical`, `maintenance`. */
  readonly impact: string;
  /** Null where the page does not say, or nothing that can be read. */
  readonly since: Date | null;
  /** What was said last; empty where nothing was. */
  readonly latest: string;
  /** Whether databases are among what it touches. */
  readonly databases: boolean;
}

interface StatusComponent {
  /** With the name of its group: `Managed Databases: FRA1`. */
  readonly name: string;
  /** `degraded_performance`, `partial_outage`, `major_outage`, `under_maintenance`. */
  readonly status: string;
  readonly databases: boolean;
}

/** The report, or why there is none. */
export type StatusPage = { readonly report: StatusReport } | { readonly problem: string };

const TIMEOUT_MS = 10_000;
// Pages with hundreds of components and long incidents have a quarter of this.
const MOST_BYTES = 2 * 1024 * 1024;
// Whoever reads this decides what to do within minutes.
const MOST_INCIDENTS = 10;
const MOST_COMPONENTS = 50;
const PATH = "/api/v2/summary.json";

/**
 * Reads a service's public status page. It is only information: whatever is wrong with the page or on the way to it is an
 * explanation, not an error. Throws the signal's reason alone.
 * @param address of the page, as `https://status.digitalocean.com`
 */
export async function readStatusPage(
  address: string,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<StatusPage> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const url = new URL(`${address.replace(/\/+$/, "")}${PATH}`);
  try {
    return readAnswer(await ask(url, AbortSignal.any([signal, timeout])));
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const reason = timeout.aborted
      ? `no whole answer in ${formatDuration(timeoutMs)}`
      : messageOf(cause) || errorCode(cause) || messageOf(error);
    return { problem: plainText(reason) };
  }
}

type Answer = Begin & { readonly status: number };

/** One redirection is followed, for pages move; none from https to an address that anybody on the way could change. */
async function ask(url: URL, signal: AbortSignal): Promise<Answer | { readonly problem: string }> {
  const first = await get(url, signal);
  if (first.location === null) return first;
  const next = URL.canParse(first.location, url.href) ? new URL(first.location, url) : undefined;
  const isSafe = next !== undefined && (next.protocol === "https:" || next.protocol === url.protocol);
  if (!isSafe || !/^https?:$/.test(next.protocol))
    return { problem: `it sends on to ${plainText(first.location)}` };
  const second = await get(next, signal);
  return second.location === null ? second : { problem: `${next.host} sends on once more` };
}

async function get(url: URL, signal: AbortSignal): Promise<Answer & { readonly location: string | null }> {
  const answer = await fetch(url, {
    headers: { "user-agent": PROGRAM, accept: "application/json" },
    redirect: "manual",
    signal,
  });
  const { status, headers, body } = answer;
  const location = status >= 300 && status < 400 ? headers.get("location") : null;
  return { status, location, ...(await beginOf(location === null ? body : null, MOST_BYTES)) };
}

function readAnswer(answer: Answer | { readonly problem: string }): StatusPage {
  if ("problem" in answer) return answer;
  const { status, text, isWhole } = answer;
  if (status !== 200) return { problem: `it answered ${status}` };
  if (!isWhole) return { problem: `it is larger than ${formatBytes(MOST_BYTES)}` };
  const parsed = Summary.safeParse(jsonOf(text));
  if (parsed.success) return { report: reportOf(parsed.data) };
  return { problem: "what it answered is no summary of Statuspage; is `statusPage` the page's address?" };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function reportOf({
  status,
  components,
  incidents,
  scheduled_maintenances: maintenances,
}: Summary): StatusReport {
  const groups = new Map(components.filter(({ group }) => group === true).map(({ id, name }) => [id, name]));
  const fullName = ({ name, group_id: group }: z.output<typeof Component>): string => {
    const outer = groups.get(group ?? "");
    return plainText(outer === undefined ? name : `${outer}: ${name}`);
  };
  const going = (maintenances ?? []).filter(({ status: word }) =>
    ["in_progress", "verifying"].includes(word),
  );
  return {
    indicator: plainText(status.indicator),
    description: plainText(status.description),
    incidents: databasesFirst(
      [...incidents, ...going].map((one) => incidentOf(one, (one.components ?? []).map(fullName))),
    ).slice(0, MOST_INCIDENTS),
    // A group is what its members are.
    components: databasesFirst(
      components
        .filter((one) => one.group !== true && one.status !== "operational")
        .map((one) => {
          const name = fullName(one);
          return { name, status: plainText(one.status), databases: isOfDatabases(name) };
        }),
    ).slice(0, MOST_COMPONENTS),
  };
}

function incidentOf(incident: z.output<typeof Incident>, components: readonly string[]): StatusIncident {
  const since = new Date(incident.started_at ?? incident.created_at ?? "");
  const name = plainText(incident.name);
  return {
    name,
    status: plainText(incident.status),
    impact: plainText(incident.impact),
    since: Number.isNaN(since.getTime()) ? null : since,
    latest: plainText(incident.incident_updates?.[0]?.body ?? ""),
    databases: [name, ...components].some(isOfDatabases),
  };
}

function isOfDatabases(name: string): boolean {
  return /database|postgres/i.test(name);
}

function databasesFirst<T extends { readonly databases: boolean }>(all: readonly T[]): T[] {
  return all.toSorted((a, b) => Number(b.databases) - Number(a.databases));
}
