import type { z } from "zod";
import { AppError } from "../errors.ts";
import { FORMAT_VERSION } from "./manifest.ts";

/** The JSON value in these bytes. Throws `backup_damaged`, saying `what` could not be read. */
export function parseJson(data: Buffer | string, what: string): unknown {
  try {
    return JSON.parse(data.toString("utf8")) as unknown;
  } catch (cause) {
    throw new AppError("backup_damaged", `read ${what}: it is not JSON`, { cause });
  }
}

/**
 * An object of the repository that carries a format version. Throws `repository_version` when a newer program wrote
 * it, `backup_damaged` when it breaks its schema.
 * @param newest format of such objects that this program knows
 */
export function parseVersioned<T>(
  schema: z.ZodType<T>,
  data: Buffer | string,
  what: string,
  newest = FORMAT_VERSION,
): T {
  const value = parseJson(data, what);
  const format = formatOf(value);
  if (format !== undefined && format > newest) {
    throw new AppError(
      "repository_version",
      `read ${what}: its format is ${format}, and this program knows formats up to ${newest}`,
      { hint: "install the current version of handled" },
    );
  }
  return parseStored(schema, value, what);
}

/** Of a format that is no whole number the schema tells what is wrong. */
function formatOf(value: unknown): number | undefined {
  if (typeof value !== "object" || value === null || !("format" in value)) return undefined;
  return Number.isSafeInteger(value.format) ? Number(value.format) : undefined;
}

/** Checks a value that was read back. Throws `backup_damaged` with the place and kind of the first fault. */
export function parseStored<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new AppError("backup_damaged", `read ${what}: ${firstFault(parsed.error)}`, { cause: parsed.error });
}

/** Checks a value before it is written, for what breaks its schema could not be read back: that is a defect. */
export function requireSound<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new AppError("unexpected", `write ${what}: ${firstFault(parsed.error)}`, { cause: parsed.error });
}

function firstFault(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return error.message;
  return `${issue.path.length === 0 ? "value" : issue.path.join(".")}: ${issue.message}`;
}

/** One line of JSON and a line feed, so that `cat` shows it well. */
export function encodeJson(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`, "utf8");
}
