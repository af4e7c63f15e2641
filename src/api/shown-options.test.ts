import { expect, test } from "vitest";
import { JobRequest } from "./contract/jobs.ts";
import { shownOptions } from "./shown-options.ts";

test.each([
  ["postgresql://ada:geheim@new.example.com:5433/shop", "postgresql://ada@new.example.com:5433/shop"],
  ["postgres://ada@[::1]:5433/shop%20x?password=geheim", "postgresql://ada@[::1]:5433/shop%20x"],
  ["postgresql:///shop?host=/run/a&user=ada&password=geheim", "postgresql:///shop"],
  ["postgresql://ada:ge@geheim@new/shop#geheim", "postgresql://ada@new/shop"],
  ["postgresql://ada:12/geheim@new/shop", "postgresql://…"],
  ["postgresql://ada:geheim/x@new/shop", "postgresql://…"],
  ["postgresql://ada:geheim@a:1,b:2/shop", "postgresql://…"],
])("of %s no password is shown", (url, shown) => {
  const request = JobRequest.parse({
    kind: "recover",
    database: "data",
    options: { scenario: "server-lost", to: [{ database: "data", url }] },
  });
  expect(shownOptions(request)).toMatchObject({ to: [{ database: "data", url: shown }] });
  expect(JSON.stringify(shownOptions(request))).not.toContain("geheim");
});
