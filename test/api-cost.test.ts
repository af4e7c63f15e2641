import { expect, test } from "vitest";
import { hashPassword } from "../src/access/passwords.ts";
import { SESSION_COOKIE } from "../src/api/caller.ts";
import { AppError } from "../src/errors.ts";
import { PASSWORD } from "./support/api-access.ts";
import { mountedApi } from "./support/mounted-api.ts";

test("a drill that may cost money is confirmed, unless the strategy says how it is made", async () => {
  // Past who may ask, nothing is there to do it.
  const reached = new AppError("job_running", "start drill: another is running");
  await using api = await mountedApi({ jobs: { start: async () => await Promise.reject(reached) } });
  const user = api.access.users.add({
    name: "olga",
    role: "operator",
    password: await hashPassword(PASSWORD),
  });
  const headers = { cookie: `${SESSION_COOKIE}=${api.access.sessions.begin(user, "password")}` };
  const ask = async (options: object, more: object = {}) => {
    const body = { kind: "drill", database: "data", options, ...more };
    return (await api.ask("/api/jobs", { method: "POST", headers, body })).code;
  };
  for (const options of [
    { scenario: "server-lost", from: "provider" },
    { scenario: "provider-down" },
    { scenario: "data-deleted", at: "2026-01-01T11:00:00Z" },
  ]) {
    expect(await ask(options)).toBe("not_confirmed");
    expect(await ask(options, { confirm: { name: "data", password: PASSWORD } })).toBe("job_running");
  }
  for (const more of [{ from: "backup" }, { entry: "weekly" }])
    expect(await ask({ scenario: "provider-down", ...more })).toBe("job_running");
});
