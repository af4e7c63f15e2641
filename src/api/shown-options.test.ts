import { expect, test } from "vitest";
import { JobRequest } from "./contract/jobs.ts";
import { shownOptions } from "./shown-options.ts";

const asked = (url: string): JobRequest =>
  JobRequest.parse({
    kind: "recover",
    database: "data",
    options: { scenario: "server-lost", to: [{ database: "data", url }] },
  });

test.each([
  ["postgresql://ada:geheim@new.example.com:5433/shop", "postgresql://ada@new.example.com:5433/shop"],
  ["postgres://ada@[::1]:5433,b/shop%20x?password=geheim", "postgresql://ada@[::1]:5433,b/shop%20x"],
  ["postgresql:///shop?host=/run/a&user=ada&password=geheim", "postgresql://ada@%2Frun%2Fa/shop"],
])("of %s no password is shown", (url, shown) => {
  expect(shownOptions(asked(url))).toMatchObject({ to: [{ database: "data", url: shown }] });
});

test("what cannot be read is refused, and not repeated", () => {
  let message = "";
  try {
    shownOptions(asked("postgresql://ada:geh@eim@new/shop"));
  } catch (error) {
    message = String(error);
  }
  expect(message).toContain("an unencoded special character");
  expect(message).not.toContain("eim");
});
