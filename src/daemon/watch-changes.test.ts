import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { watchChanges } from "./watch-changes.ts";

const HOUR = 3_600_000;

test("what others have done is looked for within seconds, once, and when that may be", async () => {
  const clock = manualClock();
  let last = "";
  let lookedAt = clock.now().toISOString();
  let mayLook = true;
  let looks = 0;
  await using _watched = watchChanges({
    clock,
    last: async () => await Promise.resolve(last),
    isNews: (at) => mayLook && at > lookedAt,
    look: () => void (looks += 1),
  });
  const act = async (): Promise<void> => {
    await clock.advance(1);
    last = clock.now().toISOString();
  };
  const look = (): void => void (lookedAt = clock.now().toISOString());
  await clock.advance(HOUR);
  expect(looks).toBe(0);
  await act();
  await clock.advance(3000);
  expect(looks).toBe(1);
  // Though a look should not have begun, or was given an earlier time.
  await clock.advance(HOUR);
  expect(looks).toBe(1);
  // One who looked for another reason has seen it.
  await act();
  look();
  await clock.advance(HOUR);
  expect(looks).toBe(1);
  mayLook = false;
  for (let n = 0; n < 100; n++) {
    await act();
    await clock.advance(1000);
  }
  expect(looks).toBe(1);
  mayLook = true;
  await clock.advance(3000);
  expect(looks).toBe(2);
});
