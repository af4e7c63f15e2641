import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { Pace } from "./pace.ts";

test("something is done so often in a while, each thing by itself, and again when the first is long ago", async () => {
  const clock = manualClock();
  const pace = new Pace(clock, 2, 60_000);
  pace.take("test mail");
  await clock.advance(20_000);
  pace.take("test mail");
  expect(() => pace.take("test mail")).toThrow(
    expect.objectContaining({ code: "too_many_tries", message: "test mail: try again in 40 s" }),
  );
  pace.take("test team");
  await clock.advance(40_000);
  pace.take("test mail");
  expect(() => pace.take("test mail")).toThrow("try again in 20 s");
});
