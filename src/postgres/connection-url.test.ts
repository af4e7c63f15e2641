import * as fc from "fast-check";
import { expect, test } from "vitest";
import { testRuntime, noAbort } from "../../test/support/runtime.ts";
import { resolveConnection } from "./connection.ts";
import { connectionUrl } from "./connection-url.ts";

const word = fc
  .string({ minLength: 1, unit: "grapheme" })
  .filter((text) => !text.includes("\0") && text.isWellFormed());

test("whatever is in names and passwords, the URL of a connection leads to the same", async () => {
  const hosts = fc.constantFrom("127.0.0.1", "::1", "/run/postgres ql", "db.example.net");
  await fc.assert(
    fc.asyncProperty(hosts, word, word, word, async (host, user, password, database) => {
      const settings = {
        hosts: [{ host, port: 5433, password }],
        user,
        database,
        sslMode: "require" as const,
        sslRootCert: undefined,
        sslCert: undefined,
        sslKey: undefined,
        options: "-c work_mem=64MB",
        connectTimeout: 10,
        targetSessionAttrs: "any" as const,
      };
      expect(await resolveConnection(testRuntime(), connectionUrl(settings), noAbort())).toEqual(settings);
    }),
    { numRuns: 50 },
  );
});
