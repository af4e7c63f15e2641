import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Certificates, makeCertificates } from "../../test/support/certificates.ts";
import { clusterUrl, freshCluster, runSql, temporaryFolder } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import type { Cluster } from "./cluster.ts";
import { resolveConnection } from "./connection.ts";
import { type Session, connect } from "./session.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let certificates: Certificates;
let cluster: Cluster;

beforeAll(async () => {
  folder = await temporaryFolder();
  certificates = await makeCertificates(folder.path);
  cluster = await freshCluster({
    settings: { ssl: "on" },
    files: certificates.files,
    hba: [
      "local all all trust",
      "hostssl all tls_only 127.0.0.1/32 trust",
      "hostnossl all clear_only 127.0.0.1/32 trust",
      "host all either 127.0.0.1/32 trust",
    ],
  });
  const admin = `postgresql://postgres@/postgres?host=${encodeURIComponent(cluster.folder)}&port=${cluster.port}`;
  await runSql(admin, "CREATE ROLE tls_only LOGIN; CREATE ROLE clear_only LOGIN; CREATE ROLE either LOGIN");
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function open(
  user: string,
  parameters: string,
  host = "127.0.0.1",
  signal = noAbort(),
): Promise<Session> {
  const runtime = testRuntime();
  const source = `postgresql://${user}@${host}:${cluster.port}/postgres?${parameters}`;
  return await connect(runtime, await resolveConnection(runtime, source, noAbort()), signal);
}

/** `tls`, `clear`, or the code of the error. */
async function outcome(user: string, parameters: string, host?: string): Promise<string> {
  try {
    await using session = await open(user, parameters, host);
    const [row] = await session.query<{ ssl: boolean }>(
      "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    );
    return row?.ssl === true ? "tls" : "clear";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe("a server with TLS", () => {
  test.each([
    ["disable", "either", "clear"],
    ["allow", "either", "clear"],
    ["prefer", "either", "tls"],
    ["require", "either", "tls"],
    ["disable", "tls_only", "login_refused"],
    ["allow", "tls_only", "tls"],
    ["prefer", "tls_only", "tls"],
    ["require", "tls_only", "tls"],
    ["disable", "clear_only", "clear"],
    ["allow", "clear_only", "clear"],
    ["prefer", "clear_only", "clear"],
    ["require", "clear_only", "login_refused"],
  ])("sslmode=%s as %s: %s", async (mode, user, expected) => {
    expect(await outcome(user, `sslmode=${mode}`)).toBe(expected);
  });

  test.each([
    ["require", "authority", "127.0.0.1", "tls"],
    ["require", "stranger", "127.0.0.1", "database_unreachable"],
    ["require", "missing", "127.0.0.1", "tls"],
    ["prefer", "stranger", "127.0.0.1", "clear"],
    ["verify-ca", "authority", "127.0.0.1", "tls"],
    ["verify-ca", "stranger", "localhost", "database_unreachable"],
    ["verify-ca", "missing", "localhost", "usage"],
    ["verify-full", "authority", "localhost", "tls"],
    ["verify-full", "authority", "127.0.0.1", "database_unreachable"],
    ["verify-full", "stranger", "localhost", "database_unreachable"],
    ["verify-full", "missing", "localhost", "usage"],
  ])("sslmode=%s with the root certificate of the %s, to %s: %s", async (mode, root, host, expected) => {
    const path = encodeURIComponent(join(folder.path, `${root}.crt`));
    expect(await outcome("either", `sslmode=${mode}&sslrootcert=${path}`, host)).toBe(expected);
  });

  test("the system's authorities do not know a certificate of our own making", async () => {
    expect(await outcome("either", "sslrootcert=system", "localhost")).toBe("database_unreachable");
  });

  test("messages say what is wrong with the certificate", async () => {
    const root = encodeURIComponent(certificates.authority);
    await expect(open("either", `sslmode=verify-full&sslrootcert=${root}`)).rejects.toMatchObject({
      message: `connect to 127.0.0.1:${cluster.port}: the server's certificate is for another host name`,
    });
    const stranger = encodeURIComponent(certificates.stranger);
    await expect(open("either", `sslmode=verify-ca&sslrootcert=${stranger}`)).rejects.toMatchObject({
      message: expect.stringContaining("certificate is not trusted"),
      hint: expect.stringContaining("sslrootcert"),
    });
    await expect(open("tls_only", `sslmode=prefer&sslrootcert=${stranger}`)).rejects.toMatchObject({
      code: "login_refused",
      message: expect.stringMatching(/certificate is not trusted.*; then: .*no encryption/),
    });
  });

  test("a client certificate without its key is a usage error", async () => {
    const path = join(folder.path, "client.crt");
    await writeFile(path, certificates.files["server.crt"]);
    expect(await outcome("either", `sslmode=require&sslcert=${encodeURIComponent(path)}`)).toBe("usage");
  });

  test("aborting ends an encrypted connection too", async () => {
    const stop = new AbortController();
    await using session = await open("either", "sslmode=require", undefined, stop.signal);
    const reason = new Error("enough");
    const running = session.query("SELECT pg_sleep(600)").catch((error: unknown) => error);
    stop.abort(reason);
    expect(await running).toBe(reason);
  });
});

describe("a server without TLS", () => {
  test.each([
    ["disable", "clear"],
    ["allow", "clear"],
    ["prefer", "clear"],
    ["require", "database_unreachable"],
  ])("sslmode=%s: %s", async (mode, expected) => {
    const runtime = testRuntime();
    const settings = await resolveConnection(runtime, `${clusterUrl()}?sslmode=${mode}`, noAbort());
    const result = await connect(runtime, settings, noAbort()).then(
      async (session) => {
        await session[Symbol.asyncDispose]();
        return "clear";
      },
      (error: { code: string; message: string }) => {
        expect(error.message).toContain("the server has no TLS");
        return error.code;
      },
    );
    expect(result).toBe(expected);
  });

  test("a Unix socket is never encrypted, whatever sslmode says", async () => {
    const source = `host=${cluster.folder} port=${cluster.port} user=postgres dbname=postgres sslmode=require`;
    const runtime = testRuntime();
    await using session = await connect(
      runtime,
      await resolveConnection(runtime, source, noAbort()),
      noAbort(),
    );
    expect(await session.query("SELECT 1 AS a")).toEqual([{ a: 1 }]);
  });
});
