import { variablesOf } from "../config/interpolate.ts";
import { findRepository, repositoryLocation, type Strategy } from "../config/strategy.ts";
import type { Cli } from "./cli.ts";
import type { Credential } from "./render/kit/kit-page.ts";

/** A repository that a kit is about. */
export interface KitPlace {
  /** A folder or a URL. */
  readonly place: string;
  /** Its name in the strategy; null without one. */
  readonly name: string | null;
}

/**
 * The variables that open these repositories on a machine without a strategy, and where their values come from today.
 * @param withSecrets also the values, as far as they are known here
 */
export function kitCredentials(
  cli: Cli,
  strategy: Strategy | null,
  places: readonly KitPlace[],
  withSecrets: boolean,
): Credential[] {
  const buckets = places.filter(({ place }) => place.startsWith("s3://"));
  const credentials = buckets.flatMap((bucket) => keysOf(cli, strategy, bucket, withSecrets));
  if (buckets.length === 0) return [];
  const { env } = cli.runtime;
  // What the URL does not say, this machine's environment does.
  const endpoint = env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"];
  const region = env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"];
  const lacks = (parameter: string): boolean =>
    buckets.some(({ place }) => !new URL(place).searchParams.has(parameter));
  if (endpoint !== undefined && lacks("endpoint"))
    credentials.push({ name: "AWS_ENDPOINT_URL", what: "address of the object store", value: endpoint });
  if (region !== undefined && lacks("region"))
    credentials.push({ name: "AWS_REGION", what: "region of the bucket", value: region });
  return credentials;
}

function keysOf(
  cli: Cli,
  strategy: Strategy | null,
  { place, name }: KitPlace,
  withSecrets: boolean,
): Credential[] {
  const { env } = cli.runtime;
  const { accessKey, secretKey } =
    strategy === null || name === null
      ? { accessKey: undefined, secretKey: undefined }
      : findRepository(strategy, name);
  const known =
    withSecrets && strategy !== null && name !== null
      ? repositoryLocation(cli.runtime, strategy, name).keys
      : undefined;
  const bucket = new URL(place).hostname;
  const one = (variable: string, what: string, template: string | undefined, value: string | undefined) => {
    const today = variablesOf(template ?? "").filter((from) => from !== variable);
    const where = today.length === 0 ? "" : ` (the strategy takes it from ${today.join(" and ")})`;
    return {
      name: variable,
      what: `${what} of bucket ${bucket}${where}`,
      value: withSecrets ? (value ?? null) : null,
    };
  };
  return [
    one("AWS_ACCESS_KEY_ID", "access key", accessKey?.text, known?.accessKey ?? env["AWS_ACCESS_KEY_ID"]),
    one(
      "AWS_SECRET_ACCESS_KEY",
      "secret key",
      secretKey?.text,
      known?.secretKey ?? env["AWS_SECRET_ACCESS_KEY"],
    ),
  ];
}
