import { describe, expect, test } from "vitest";
import { answers, CONTRACT_VERSION, known, rateLimit, requests } from "./contract.ts";

const ID = "3f0c6f1e-7a55-4b8e-9d3e-0b1f6d1f2a11";
const NEW_CLUSTER = {
  name: "shop-restored",
  engine: "pg",
  num_nodes: 1,
  size: "db-s-1vcpu-1gb",
  region: "fra1",
};
const CLUSTER = { ...NEW_CLUSTER, id: ID, status: "online" };

describe(`the contract of ${CONTRACT_VERSION}`, () => {
  test.each([
    ["clusters", { databases: [CLUSTER] }],
    ["cluster", { database: { ...CLUSTER, status: "creating", tags: null, db_names: null, users: null } }],
    ["backups", { backups: [{ created_at: "2026-08-02T03:00:05Z", size_gigabytes: 0.034 }] }],
    ["firewall", { rules: [{ type: "ip_addr", value: "192.0.2.7" }] }],
    ["users", { users: [{ name: "shop", role: "normal" }] }],
    ["databases", { dbs: [{ name: "defaultdb" }] }],
    ["pools", { pools: [{ name: "web", mode: "transaction", size: 5, db: "defaultdb" }] }],
    ["options", { options: { pg: { regions: ["fra1"], layouts: [{ num_nodes: 1, sizes: ["s"] }] } } }],
    ["error", { id: "not_found", message: "no such cluster" }],
  ] as const)("takes %s as it is answered, with keys nobody knows yet", (kind, answer) => {
    expect(answers[kind].parse({ ...answer, something_new: 1 })).toMatchObject(answer);
  });

  test("a restore names its source by name, and nothing else may be sent", () => {
    const backup_restore = { database_name: "shop", backup_created_at: "2026-08-02T03:00:05Z" };
    expect(requests.createCluster.safeParse({ ...NEW_CLUSTER, backup_restore }).success).toBe(true);
    expect(requests.createCluster.safeParse({ ...NEW_CLUSTER, backup_id: "x" }).success).toBe(false);
    const wordy = { ...backup_restore, backup_created_at: "yesterday" };
    expect(requests.createCluster.safeParse({ ...NEW_CLUSTER, backup_restore: wordy }).success).toBe(false);
    expect(answers.backups.safeParse({}).success).toBe(false);
  });

  test("names what a faithful answer has", () => {
    expect(known.statuses).toContain("forking");
    expect(rateLimit.reset).toBe("ratelimit-reset");
  });
});
