import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import type { DaemonEvent } from "../daemon/daemon.ts";
import { ServeHttp } from "./serve-http.ts";

test("why a page cannot be answered is told once, and whoever asked does not hear it", async () => {
  const told: DaemonEvent[] = [];
  const clock = manualClock();
  let broken = false;
  const failing = {
    ...clock,
    monotonic: () => {
      if (broken) throw new Error("the clock stands still");
      return clock.monotonic();
    },
  };
  await using served = new ServeHttp(failing, (event) => void told.push(event));
  await served.listen({ host: "127.0.0.1", port: 0 });
  const [listening] = told;
  if (listening?.kind !== "listening") throw new Error(JSON.stringify(told));
  broken = true;
  for (let times = 0; times < 3; times++) {
    const answer = await fetch(`${listening.url}/healthz`);
    expect([answer.status, await answer.text()]).toEqual([500, "this cannot be answered\n"]);
  }
  expect(told.slice(1)).toMatchObject([
    { kind: "not answered", error: { message: "answer /healthz: the clock stands still" } },
  ]);
});
