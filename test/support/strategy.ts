import { parseStrategy } from "../../src/config/load.ts";
import type { Problem } from "../../src/config/problems.ts";
import type { Strategy } from "../../src/config/strategy.ts";
import { isAppError } from "../../src/errors.ts";
import { makeRuntime } from "../../src/lib/runtime.ts";

export const STRATEGY_FILE = "/etc/handled/handled.yaml";
/** A strategy with every key there is. Line numbers in tests are those of this text. */
export const FULL_STRATEGY = `version: 1
timezone: Europe/Berlin
archivePrefix: handled
repositories:
  local:
    url: /var/backups/handled
databases:
  primary:
    url: \${PRIMARY_DATABASE_URL}
    schemas: [config, customer]
    criticality: critical
    objectives:
      rpo: 24h
      rto: 1h
    repository: local
    backups:
      - name: nightly
        kind: archive
        format: custom
        compression: gzip
        schedule: "0 3 * * *"
        keep:
          days: 14
          min: 3
        deadline: 3h
    application:
      stop: pm2 stop primary-api
      start: pm2 start primary-api
    lockTimeout: 45s
    verify: [{ name: weekly, level: integrity, schedule: "0 4 * * 0", deadline: 1h }]
    prune: { schedule: "0 5 * * *", deadline: 30m }
    copy: { schedule: "0 6 * * *" }
application:
  stop: pm2 stop handled-api
  start: pm2 restart handled-api
  health: http://127.0.0.1:3000/health
  healthTimeout: 90s
recovery:
  keepReplaced: 2d
contacts:
  - name: Ada
    role: on call
    email: ada@example.org
    phone: "+44 20"
    note: at night too
duties:
  - { name: dashboard-review, every: weekly, what: Look at the provider's dashboard }
daemon:
  jobs: 3
  jitter: 10m
  retries: 1
  retryAfter: 2m
  http: "[::1]:9420"
`;

/** What the program makes of a text. */
export const parse = (text: string, env: Record<string, string> = {}): Strategy =>
  parseStrategy(makeRuntime({ env }), text, STRATEGY_FILE);

/** The problems of a text that is expected to be refused. */
export function problemsOf(text: string, env: Record<string, string> = {}): readonly Problem[] {
  try {
    parse(text, env);
  } catch (error) {
    if (!isAppError(error, "strategy_invalid")) throw error;
    return error.details["problems"] as readonly Problem[];
  }
  throw new Error("the strategy was accepted");
}

/** The problems of the full strategy with one text replaced, as `line:column message`. */
export function change(search: string, replacement: string, env: Record<string, string> = {}): string[] {
  if (!FULL_STRATEGY.includes(search)) throw new Error(`the strategy does not have ${search}`);
  return problemsOf(
    FULL_STRATEGY.replace(search, () => replacement),
    env,
  ).map(({ line, column, message }) => `${line}:${column} ${message}`);
}
