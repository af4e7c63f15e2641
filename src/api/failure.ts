import type { FastifyError, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { AppError } from "../errors.ts";

/** Why a request failed, as one of our own errors; undefined for a defect. */
export function failureOf(error: unknown, request: FastifyRequest): AppError | undefined {
  if (error instanceof AppError) return error;
  if (!(error instanceof Error)) return undefined;
  const asked = `${request.method} ${request.url.split("?", 1)[0]}`;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation;
    const where = first?.instancePath.slice(1).replaceAll("/", ".") ?? "";
    const what = [where, first?.message ?? ""].filter((part) => part !== "").join(": ");
    return new AppError("usage", `${asked}: ${what}`, { hint: "`/api/openapi.json` says what it takes" });
  }
  const { code, statusCode = 500 } = error as FastifyError;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    return new AppError("request_too_large", `${asked}: the body is too large`);
  }
  // The framework's own: an address or a body that is malformed.
  return statusCode < 500 ? new AppError("usage", `${asked}: ${error.message}`) : undefined;
}

/** What is sent for an error. */
export function errorBody({ code, message, hint, details }: AppError): object {
  return { error: { code, message, ...(hint === undefined ? {} : { hint }), details } };
}
