import { execFile } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { DEFAULT_HTTP } from "../src/config/http-address.ts";
import { daemonCommand } from "../src/operations/schedule/plan.ts";
import { renderDaemonUnit } from "../src/operations/schedule/systemd-units.ts";

const ROOT = join(import.meta.dirname, "..");
const deployed = async (name: string): Promise<string> => await readFile(join(ROOT, "deploy", name), "utf8");

test("the systemd unit is the one that `handled schedule install --service` writes for root", async () => {
  const path = "/etc/handled/handled.yaml";
  const command = daemonCommand(path, {
    node: "/usr/bin/node",
    program: "/usr/lib/node_modules/handled/bin/handled.js",
    envFile: "/etc/handled/handled.env",
    logFile: "/var/log/handled.log",
  });
  const strategy = { path, timeZone: "UTC", databases: [] };
  const unit = renderDaemonUnit(strategy, { command, logFile: undefined }, false);
  expect({ name: unit.name, text: await deployed(unit.name) }).toEqual(unit);
});

/** The instructions of a Dockerfile, each in one line. */
async function instructions(): Promise<(readonly [name: string, rest: string])[]> {
  const text = (await deployed("Dockerfile")).replace(/^#.*\n/gm, "").replace(/\\\n\s*/g, "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const at = line.indexOf(" ");
      return [line.slice(0, at), line.slice(at + 1)] as const;
    });
}

test("the Dockerfile copies what is there and let through, and runs our Node, our program and our port as nobody special", async () => {
  const all = await instructions();
  const of = (name: string): string[] => all.filter(([each]) => each === name).map(([, rest]) => rest);
  const ignore = (await deployed("Dockerfile.dockerignore")).split("\n");
  expect(ignore).toContain("*");
  for (const copy of of("COPY").filter((rest) => !rest.startsWith("--from="))) {
    for (const source of copy.split(" ").slice(0, -1)) {
      await expect(access(join(ROOT, source)), source).resolves.toBeUndefined();
      expect(ignore, "what is not let through cannot be copied").toContain(`!${source}`);
    }
  }
  const { engines, files, bin } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    readonly engines: { readonly node: string };
    readonly files: readonly string[];
    readonly bin: { readonly handled: string };
  };
  const major = engines.node.replace(/\D/g, "");
  for (const from of of("FROM")) expect(from).toMatch(new RegExp(`^node:${major}-`));
  // What the package has is packed in the build.
  const copied = of("COPY").flatMap((rest) => rest.split(" "));
  for (const file of files.filter((each) => !each.startsWith("!") && each !== "dist"))
    expect(copied, file).toContain(file);
  expect(of("ENTRYPOINT").join()).toContain(`/node_modules/handled/${bin.handled}`);
  expect(of("HEALTHCHECK").join()).toContain(`http://127.0.0.1:${DEFAULT_HTTP.port}/healthz`);
  expect(of("EXPOSE")).toEqual([String(DEFAULT_HTTP.port)]);
  const names = all.map(([name]) => name);
  expect(of("USER")).toEqual(["handled"]);
  expect(names.lastIndexOf("RUN")).toBeLessThan(names.indexOf("USER"));
  // A value of a build stays in the image for whoever has it.
  expect([...of("ARG"), ...of("ENV")].filter((rest) => /secret|token|password|key|url/i.test(rest))).toEqual(
    [],
  );
});

test("the proxies lead to where the daemon listens", async () => {
  const { host, port } = DEFAULT_HTTP;
  expect(await deployed("nginx.conf")).toContain(`proxy_pass http://${host}:${port};`);
  expect(await deployed("Caddyfile")).toContain(`reverse_proxy ${host}:${port}`);
});

test("the package has what is deployed and documented, and nothing of how it is made", async () => {
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const { stdout } = await promisify(execFile)("npm", args, { cwd: ROOT });
  const [packed] = JSON.parse(stdout) as [{ readonly files: readonly { readonly path: string }[] }];
  const paths = packed.files.map(({ path }) => path);
  for (const name of [
    "handled-serve.service",
    "Dockerfile",
    "nginx.conf",
    "Caddyfile",
    "prometheus-rules.yml",
    "grafana-dashboard.json",
  ])
    expect(paths).toContain(`deploy/${name}`);
  expect(paths).toEqual(expect.arrayContaining(["bin/handled.js", "docs/deploy.md", "LICENSE"]));
  const others = paths.filter((path) => /^(src|test|web|scripts|bench|docs\/screenshots)\//.test(path));
  expect(others).toEqual([]);
});
