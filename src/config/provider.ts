import { z } from "zod";
import { duration } from "./durations.ts";
import { checked, text } from "./fields.ts";
import type { Template } from "./interpolate.ts";

const ENDPOINT = "https://api.digitalocean.com";
const STATUS_PAGE = "https://status.digitalocean.com";

/** `provider` of a database. */
export const ProviderFile = z.strictObject({
  kind: z.literal("digitalocean").describe("Which service"),
  cluster: text().describe("Name or id of the cluster that the database is in"),
  token: text().describe(
    "Token for the service, as `${NAME}`; it must be allowed to read, create and delete databases. Looked up when it is needed",
  ),
  endpoint: checked((address) => (isAddress(address) ? undefined : "must be an `https://` address"))
    .default(ENDPOINT)
    .describe("Address of the service"),
  statusPage: checked((address) => (isAddress(address) ? undefined : "must be an `https://` address"))
    .optional()
    .describe(
      "Public page (of the Statuspage kind) on which the service tells of its outages. Default: `https://status.digitalocean.com`; none " +
        "where `endpoint` is another one",
    ),
  window: duration()
    .prefault("7d")
    .describe("How far back any moment can be restored. The service does not tell: this is assumed"),
  database: text()
    .optional()
    .describe("Name of the database in the cluster; default: the one in the database's `url`"),
  clusterLimit: z
    .int()
    .min(1)
    .optional()
    .describe("Most clusters that the account may have; the service does not tell"),
  price: text()
    .optional()
    .describe(
      "What another cluster like it costs, in words, to be shown before one is made: the service does not tell",
    ),
  lifetime: duration()
    .prefault("24h")
    .describe("How long a cluster made by a restore may stay before `handled provider sweep` removes it"),
  deadline: duration().prefault("1h").describe("How long a new cluster may take to come online"),
});

/** Plain HTTP would show the token to the network; on this machine nobody else listens. */
function isAddress(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return (
    protocol === "https:" ||
    (protocol === "http:" && /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(hostname))
  );
}

/** The managed service that runs a database. */
export interface ManagedBy {
  readonly kind: "digitalocean";
  readonly cluster: string;
  readonly token: Template;
  readonly endpoint: string;
  /** Undefined: none that is known. */
  readonly statusPage: string | undefined;
  readonly windowMs: number;
  readonly database: string | undefined;
  readonly clusterLimit: number | undefined;
  readonly price: string | undefined;
  readonly lifetimeMs: number;
  readonly deadlineMs: number;
}

/** `provider` as the program uses it. @param token the template of its token */
export function buildProvider(file: z.output<typeof ProviderFile>, token: Template): ManagedBy {
  const { kind, cluster, endpoint, statusPage, window, database, clusterLimit, price, lifetime, deadline } =
    file;
  return {
    kind,
    cluster,
    token,
    endpoint: endpoint.replace(/\/+$/, ""),
    statusPage: statusPage ?? (endpoint === ENDPOINT ? STATUS_PAGE : undefined),
    windowMs: window,
    database,
    clusterLimit,
    price,
    lifetimeMs: lifetime,
    deadlineMs: deadline,
  };
}

/** Whether the value at this path is one of a provider that is looked up only when it is needed. */
export function isLateProviderPath(path: readonly PropertyKey[]): boolean {
  const [section, , part, key] = path;
  return path.length === 4 && section === "databases" && part === "provider" && key === "token";
}
