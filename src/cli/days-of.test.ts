import { expect, test } from "vitest";
import type { DaysJson } from "../api/contract/answers.ts";
import { HeldDays } from "./days-of.ts";

test("days are counted once between two looks, of each zone, and again where that failed", async () => {
  let look: object | undefined;
  let counted = 0;
  let fails = false;
  const days = new HeldDays(
    async ({ zone }) => {
      counted++;
      if (fails) throw new Error("no place answers");
      return await Promise.resolve<DaysJson>({ zone, databases: [] });
    },
    () => look,
  );
  const ask = async (zone: string): Promise<DaysJson> => await days.get({ zone, days: 30 });
  await ask("UTC");
  await ask("UTC");
  expect(counted).toBe(2);
  look = {};
  await Promise.all([ask("UTC"), ask("UTC"), ask("Europe/Berlin")]);
  expect((await ask("UTC")).zone).toBe("UTC");
  expect(counted).toBe(4);
  look = {};
  fails = true;
  await expect(ask("UTC")).rejects.toThrow("no place answers");
  fails = false;
  await ask("UTC");
  await ask("UTC");
  expect(counted).toBe(6);
});
