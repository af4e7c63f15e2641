import { expect, test } from "vitest";
import { parse, problemsOf } from "../../test/support/strategy.ts";

const COMMANDS = "stop: pm2 stop api, start: pm2 start api";
const strategy = (application: string, shop: string): string =>
  `version: 1\nrepositories: { local: { url: /a } }\n${application}databases:\n  shop: { url: service=shop${shop} }\n`;

test("the application's `.env` is an absolute path: from the strategy's folder, or from home; its variables are not given by us", () => {
  const fileOf = (path: string): string | undefined =>
    parse(strategy(`application: { ${COMMANDS}, envFile: ${path} }\n`, ", variable: SHOP_URL"), {
      HOME: "/home/ada",
    }).databases[0]?.application?.envFile;
  const { databases } = parse(
    strategy(
      `application: { ${COMMANDS}, envFile: .env }\n`,
      ", variable: A }\n  data: { url: service=data, variable: B",
    ),
  );
  expect(databases.map(({ variable, application }) => [variable, application?.withheld])).toEqual([
    ["A", ["A", "B"]],
    ["B", ["A", "B"]],
  ]);
  expect(fileOf("api/.env")).toBe("/etc/handled/api/.env");
  expect(fileOf("../api/.env")).toBe("/etc/api/.env");
  expect(fileOf("~/api/.env")).toBe("/home/ada/api/.env");
  expect(fileOf("/srv/api/.env")).toBe("/srv/api/.env");
});

test("the shell alone expands variables of the command that restarts", () => {
  const restart = ", restart: 'pm2 restart \"${NAME}\" --update-env'";
  expect(parse(strategy(`application: { ${COMMANDS}${restart} }\n`, "")).databases[0]?.application).toEqual({
    stop: "pm2 stop api",
    start: "pm2 start api",
    restart: 'pm2 restart "${NAME}" --update-env',
    health: undefined,
    healthTimeoutMs: 60_000,
    envFile: undefined,
    withheld: [],
  });
});

test("a variable without the file that it is in is refused, and so is one of two databases in one file", () => {
  const problems = (application: string, shop: string): string[] =>
    problemsOf(strategy(application, shop)).map(({ message }) => message);
  const noFile =
    "databases.shop.variable is `SHOP_URL`, but its application has no `envFile` to look for it in; add the path of the application's `.env` there";
  expect(problems("", ", variable: SHOP_URL")).toEqual([noFile]);
  expect(problems(`application: { ${COMMANDS} }\n`, ", variable: SHOP_URL")).toEqual([noFile]);
  // Its own application takes the place of the common one, with all its keys.
  const common = `application: { ${COMMANDS}, envFile: .env }\n`;
  expect(problems(common, `, variable: SHOP_URL, application: { ${COMMANDS} }`)).toEqual([noFile]);
  const two = ", variable: URL }\n  data: { url: service=data, variable: URL";
  expect(problems(common, two)).toEqual([
    "databases.data.variable is `URL`, which holds the URL of `shop` in the same file",
  ]);
  expect(problems(common, ", variable: SHOP URL")).toEqual([
    "databases.shop.variable must be the name of an environment variable",
  ]);
});
