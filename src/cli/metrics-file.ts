import { resolve } from "node:path";
import { AppError, errorCode, messageOf } from "../errors.ts";
import type { Health } from "../health/health.ts";
import { healthMetrics, type Look } from "../health/metrics.ts";
import { requireWritable, writeDurable } from "../lib/durable.ts";
import type { Cli } from "./cli.ts";

// The collector runs as another user.
const MODE = 0o644;

/** Where metrics go: standard output, or a file in the folder of node_exporter's textfile collector. */
export type MetricsTarget = { readonly kind: "stdout" } | { readonly kind: "file"; readonly path: string };

/** Fails with `usage`, before anything is looked at, where nothing could be written there or the collector would pass it over. */
export async function metricsTarget(cli: Cli, file: string): Promise<MetricsTarget> {
  if (file === "-") {
    if (!cli.output.options.json) return { kind: "stdout" };
    throw new AppError("usage", "write metrics to standard output: --json goes there, too", {
      hint: "give `--metrics` a file, or leave `--json` out",
    });
  }
  if (!file.endsWith(".prom")) {
    throw new AppError(
      "usage",
      `write metrics to ${file}: node_exporter reads only names that end in .prom`,
      {
        hint: "such as /var/lib/prometheus/node-exporter/handled.prom",
      },
    );
  }
  const path = resolve(cli.cwd, file);
  await requireWritable(path, true);
  return { kind: "file", path };
}

/** A file is replaced in one step: who reads it sees the old or the new one, whole. */
export async function writeMetrics(
  cli: Cli,
  target: MetricsTarget,
  health: Health,
  look: Look,
): Promise<void> {
  const text = await healthMetrics(health, look);
  if (target.kind === "stdout") {
    cli.output.exact(text);
    return;
  }
  try {
    await writeDurable(target.path, text, MODE);
  } catch (error) {
    const isFull = ["ENOSPC", "EDQUOT"].includes(errorCode(error) ?? "");
    throw new AppError(
      isFull ? "space_missing" : "unexpected",
      `write metrics to ${target.path}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
