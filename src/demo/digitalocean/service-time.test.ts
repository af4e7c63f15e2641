import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { ServiceTime, stamp, wholeSecond } from "./service-time.ts";

const Step = fc.record({ wait: fc.nat(10_000), skip: fc.nat(1_000_000) });

test("whatever is skipped, each moment of the service leads back to the machine's time at which it was", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(Step, { maxLength: 6 }), async (steps) => {
      const clock = manualClock();
      const time = new ServiceTime(clock);
      const lived = [{ service: time.now(), machine: clock.now() }];
      for (const { wait, skip } of steps) {
        await clock.advance(wait);
        const before = time.now();
        time.skipTo(new Date(before.getTime() + skip));
        expect(time.now().getTime()).toBe(before.getTime() + skip);
        // Of what was skipped, the machine knows one moment.
        expect(time.machineTime(new Date(before.getTime() + skip / 2))).toEqual(clock.now());
        await clock.advance(1);
        lived.push({ service: time.now(), machine: clock.now() });
      }
      for (const { service, machine } of lived.slice(1)) expect(time.machineTime(service)).toEqual(machine);
    }),
    { numRuns: 40 },
  );
});

test("time may begin in the past, and catches up", () => {
  const time = new ServiceTime(manualClock(new Date("2024-12-10T14:05:00Z")), 3_600_000);
  expect(stamp(time.now())).toBe("2024-12-10T13:05:00Z");
  expect(stamp(time.machineTime(time.now()))).toBe("2024-12-10T14:05:00Z");
  time.skipTo(new Date("2024-12-10T14:05:00Z"));
  expect(stamp(time.machineTime(time.now()))).toBe("2024-12-10T14:05:00Z");
});

test("time does not go back", () => {
  const time = new ServiceTime(manualClock(new Date("2024-12-10T14:05:00.900Z")));
  time.skipTo(new Date("2024-12-10T14:00:00Z"));
  expect(time.now().toISOString()).toBe("2024-12-10T14:05:00.900Z");
  expect(stamp(time.now())).toBe("2024-12-10T14:05:00Z");
  expect(wholeSecond(time.now()).toISOString()).toBe("2024-12-10T14:05:00.000Z");
});
