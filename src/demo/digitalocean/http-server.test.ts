import { expect, test } from "vitest";
import { ask } from "../../../test/support/emulator.ts";
import { systemClock } from "../../lib/clock.ts";
import { Faults } from "./faults.ts";
import { startApiServer } from "./http-server.ts";
import { RateLimit } from "./rate-limit.ts";
import type { Route } from "./router.ts";

test("an answer that the contract does not know is none: it is an error of the emulator's", async () => {
  const routes: Route[] = [
    { method: "GET", path: "/right", answer: "database", handle: () => ok({ db: { name: "a" } }) },
    { method: "GET", path: "/more", answer: "database", handle: () => ok({ db: { name: "a", size: 1 } }) },
    { method: "GET", path: "/less", answer: "database", handle: () => ok({ db: {} }) },
    { method: "GET", path: "/none", answer: "nothing", handle: () => ok({}) },
    {
      method: "GET",
      path: "/broken",
      answer: "nothing",
      handle: () => {
        throw new Error("a defect");
      },
    },
  ];
  const token = "t";
  await using server = await startApiServer({
    routes,
    token,
    faults: new Faults(),
    limit: new RateLimit(100, 1000),
    clock: systemClock,
    seen: () => undefined,
    statusPage: () => ({}),
  });
  const statuses: Record<string, number> = {};
  for (const { path } of routes) statuses[path] = (await ask({ url: server.url, token }, "GET", path)).status;
  expect(statuses).toEqual({ "/right": 200, "/more": 500, "/less": 500, "/none": 500, "/broken": 500 });
});

const ok = (body: object): { status: number; body: object } => ({ status: 200, body });
