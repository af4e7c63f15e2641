import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { systemClock } from "../../lib/clock.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { formatDuration } from "../../lib/text.ts";
import type { AccessKeys } from "../location.ts";
import { s3Error } from "./errors.ts";
import { type Failure, failureOf, isNobodyThere, isSkewed, isTransient, isUncertain } from "./failure.ts";
import type { S3Place } from "./place.ts";

type Sdk = typeof import("@aws-sdk/client-s3");

/** What one attempt at a request gets. */
export interface Attempt {
  readonly client: S3Client;
  readonly sdk: Sdk;
  readonly options: { readonly abortSignal: AbortSignal };
  /** Whether an earlier attempt at the same request may have taken effect, though its answer was lost. */
  readonly uncertain: boolean;
}

/** Sends requests about one bucket, again where that may help. */
export interface Connection {
  readonly place: S3Place;
  /** The client, without a request: it knows what the last answers told of the server's time. */
  opened(): Promise<{ readonly client: S3Client }>;
  /**
   * Makes one request. Errors are AppErrors, or the signal's reason.
   * @param what a verb and an object, for messages: `write s3://bucket/key`
   * @param patienceMs how long to go on trying after the first failure
   */
  ask<T>(
    what: string,
    signal: AbortSignal,
    attempt: (attempt: Attempt) => Promise<T>,
    patienceMs?: number,
  ): Promise<T>;
}

// An object store that restarts, or moves to another machine, is back within a minute.
const PATIENCE_MS = 100_000;
// Where nobody ever answered, most likely the address is wrong, and a person waits.
const FIRST_PATIENCE_MS = 2000;
const FIRST_PAUSE_MS = 100;
// Short enough for a lease to be renewed in time after a disturbance of half a minute.
const LONGEST_PAUSE_MS = 5000;

// A connection takes milliseconds; a firewall that swallows packets, for ever.
const CONNECT_MS = 10_000;
// No byte in either direction for so long: the connection is dead, or a server takes that long to store a part.
const SILENCE_MS = 30_000;
// More than all requests that are made at a time, because the SDK's time to connect also runs while waiting for a socket.
const SOCKETS = 512;

/** Nothing is loaded or sent before the first request: the SDK takes a quarter of a second to load. */
export function connectS3(runtime: Runtime, place: S3Place, keys: AccessKeys | undefined): Connection {
  const { clock } = runtime;
  let loading: Promise<{ sdk: Sdk; client: S3Client }> | undefined;
  let answered = false;
  let skewTold = false;
  const tellSkew = ({ serverTime }: Failure): void => {
    if (skewTold || serverTime === undefined) return;
    skewTold = true;
    const ms = clock.now().getTime() - serverTime.getTime();
    runtime.reporter.warn(
      `this machine's clock is ${formatDuration(Math.abs(ms))} ${ms > 0 ? "ahead of" : "behind"} the object store's: requests are sent with its time; let NTP set the clock`,
    );
  };
  return {
    place,
    opened: async () => await (loading ??= load(runtime, place, keys)),
    async ask(what, signal, attempt, patienceMs = PATIENCE_MS) {
      signal.throwIfAborted();
      const { sdk, client } = await (loading ??= load(runtime, place, keys));
      let uncertain = false;
      let failedSince: number | undefined;
      for (let failures = 0; ; failures++) {
        try {
          const result = await attempt({ sdk, client, options: { abortSignal: signal }, uncertain });
          answered = true;
          return result;
        } catch (error) {
          signal.throwIfAborted();
          const failure = failureOf(error);
          answered ||= failure.status !== undefined;
          uncertain ||= isUncertain(error, failure);
          failedSince ??= clock.monotonic();
          const hopeless = !answered && isNobodyThere(failure);
          const patience = hopeless ? Math.min(patienceMs, FIRST_PATIENCE_MS) : patienceMs;
          const again = isTransient(error, failure)
            ? clock.monotonic() - failedSince < patience
            : isSkewed(failure) && failures < 2;
          if (!again) {
            const { bucket, endpoint } = place;
            throw s3Error({ what, bucket, endpoint, now: clock.now() }, error);
          }
          // The SDK has learnt the server's time from the answer, and signs with that from now on.
          if (isSkewed(failure)) tellSkew(failure);
          await clock.wait(pauseAfter(failures), signal);
        }
      }
    },
  };
}

/** Longer after each failure, and by chance: many who were turned away together must not come back together. */
function pauseAfter(failures: number): number {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
  return (longest * (1 + Math.random())) / 2;
}

async function load(
  runtime: Runtime,
  place: S3Place,
  keys: AccessKeys | undefined,
): Promise<{ sdk: Sdk; client: S3Client }> {
  const sdk = await import("@aws-sdk/client-s3");
  return { sdk, client: new sdk.S3Client(configOf(runtime, place, keys)) };
}

function configOf(
  { env, clock, secrets }: Runtime,
  place: S3Place,
  keys: AccessKeys | undefined,
): S3ClientConfig {
  const endpoint = place.endpoint ?? env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"];
  const region = place.region ?? env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"];
  const accessKeyId = keys?.accessKey ?? env["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = keys?.secretKey ?? env["AWS_SECRET_ACCESS_KEY"];
  const sessionToken = keys === undefined ? env["AWS_SESSION_TOKEN"] : undefined;
  secrets.add(secretAccessKey);
  secrets.add(sessionToken);
  const profile = env["AWS_PROFILE"];
  return {
    ...(endpoint === undefined ? { followRegionRedirects: true } : { endpoint }),
    // Servers other than AWS take any region; AWS's is asked of the profile, too.
    ...(region !== undefined ? { region } : endpoint !== undefined ? { region: "us-east-1" } : {}),
    forcePathStyle: place.pathStyle || (place.endpoint === undefined && endpoint !== undefined),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? profile === undefined
        ? {}
        : { profile }
      : {
          credentials: {
            accessKeyId,
            secretAccessKey,
            ...(sessionToken === undefined ? {} : { sessionToken }),
          },
        }),
    // We try again ourselves: longer, by the runtime's clock, and knowing what is lost with an answer.
    maxAttempts: 1,
    // The SDK's own checksums travel in trailers that R2, Ceph and others refuse. Every body is signed with its SHA-256.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // Servers that do not know it leave the SDK waiting for a second before each body.
    expectContinueHeader: false,
    systemClockOffset: clock.now().getTime() - systemClock.now().getTime(),
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      httpAgent: { maxSockets: SOCKETS },
      httpsAgent: { maxSockets: SOCKETS },
      // It would write to the console.
      logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
    },
  };
}
