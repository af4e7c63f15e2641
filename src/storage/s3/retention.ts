import type { S3Client } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { AppError, isAppError } from "../../errors.ts";
import { systemClock } from "../../lib/clock.ts";
import type { LockSettings, ObjectLocks, Protection } from "../locks.ts";
import { isTransientKey } from "../transient-keys.ts";
import type { Attempt, Connection } from "./connection.ts";
import { failureOf } from "./failure.ts";

/** What a request that makes an object says about its lock. */
interface LockInput {
  readonly ObjectLockMode?: "COMPLIANCE" | "GOVERNANCE";
  readonly ObjectLockRetainUntilDate?: Date;
}

/** Locks the objects of one bucket as its settings say. Keys are whole. */
export class Retention {
  readonly #connection: Connection;
  readonly #settings: LockSettings | undefined;
  #seen = false;

  constructor(connection: Connection, settings: LockSettings | undefined) {
    this.#connection = connection;
    this.#settings = settings;
  }

  isLocking(key: string): boolean {
    return this.#settings !== undefined && !isTransientKey(key.slice(this.#connection.place.prefix.length));
  }

  /**
   * For one attempt, which has to know the server's time: with the clock of this machine a year ahead everything would be
   * locked for a year, and nobody could take that back.
   */
  ofAttempt(key: string, { client }: Pick<Attempt, "client">): LockInput {
    if (this.#settings === undefined || !this.isLocking(key)) return {};
    return {
      ObjectLockMode: modeOf(this.#settings),
      ObjectLockRetainUntilDate: untilOf(this.#settings, client),
    };
  }

  /** The same for one that sends a body, which AWS then wants an MD5 of. */
  ofWrite(key: string, data: Uint8Array, attempt: Attempt): LockInput & { readonly ContentMD5?: string } {
    if (!this.isLocking(key)) return {};
    const ContentMD5 = createHash("md5").update(data).digest("base64");
    return { ...this.ofAttempt(key, attempt), ContentMD5 };
  }

  /**
   * After an object was written: some servers lose what the beginning of an upload said of locks, and others could pass over it
   * altogether. Looks once, and always where `sure` is false; locks what is not locked. Throws `repository_unusable`.
   * @param version where another one may be the newest
   */
  async confirm(
    key: string,
    { sure, version }: { readonly sure: boolean; readonly version?: string | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    if (!this.isLocking(key) || (sure && this.#seen)) return;
    if ((await this.#until(key, signal, version)) === undefined) {
      if (!(await this.extend(key, signal, version))) return;
      if ((await this.#until(key, signal, version)) === undefined) throw this.#passedOver(key);
    }
    this.#seen = true;
  }

  /** False when there is no such object. */
  async extend(key: string, signal: AbortSignal, version?: string): Promise<boolean> {
    const settings = this.#settings;
    if (settings === undefined) return true;
    const { bucket } = this.#connection.place;
    try {
      await this.#connection.ask(`lock s3://${bucket}/${key}`, signal, ({ client, sdk, options }) => {
        const input = {
          Bucket: bucket,
          Key: key,
          ...(version === undefined ? {} : { VersionId: version }),
          Retention: { Mode: modeOf(settings), RetainUntilDate: untilOf(settings, client) },
        };
        return client.send(new sdk.PutObjectRetentionCommand(input), options);
      });
      return true;
    } catch (error) {
      if (isAppError(error, "object_missing")) return false;
      throw lockRefused(error, bucket);
    }
  }

  /** What the repository is told; undefined where nothing is locked. Its keys are relative. */
  get locks(): ObjectLocks | undefined {
    if (this.#settings === undefined) return undefined;
    const { prefix } = this.#connection.place;
    return {
      ...this.#settings,
      now: async (signal) => {
        signal.throwIfAborted();
        return serverTime((await this.#connection.opened()).client);
      },
      lockedUntil: async (key, signal) => {
        const until = await this.#until(prefix + key, signal);
        const { client } = await this.#connection.opened();
        return until === undefined || until <= serverTime(client) ? undefined : until;
      },
      extend: async (key, signal) => await this.extend(prefix + key, signal),
    };
  }

  async #until(key: string, signal: AbortSignal, version?: string): Promise<Date | undefined> {
    const { bucket } = this.#connection.place;
    const input = { Bucket: bucket, Key: key, ...(version === undefined ? {} : { VersionId: version }) };
    try {
      return await this.#connection.ask(
        `look at s3://${bucket}/${key}`,
        signal,
        async ({ client, sdk, options }) =>
          (await client.send(new sdk.HeadObjectCommand(input), options)).ObjectLockRetainUntilDate,
      );
    } catch (error) {
      if (isAppError(error, "object_missing")) return undefined;
      throw error;
    }
  }

  #passedOver(key: string): AppError {
    return new AppError(
      "repository_unusable",
      `lock s3://${this.#connection.place.bucket}/${key}: the object store took the order, and it is not locked`,
      {
        hint: "allow the keys s3:PutObjectRetention and s3:GetObjectRetention; if they have both, this server has no object lock: leave `lock` away",
      },
    );
  }
}

function modeOf({ mode }: LockSettings): "COMPLIANCE" | "GOVERNANCE" {
  return mode === "compliance" ? "COMPLIANCE" : "GOVERNANCE";
}

function serverTime({ config }: S3Client): Date {
  return new Date(systemClock.now().getTime() + config.systemClockOffset);
}

function untilOf({ windowMs }: LockSettings, client: S3Client): Date {
  return new Date(serverTime(client).getTime() + 2 * windowMs);
}

const REFUSED = new Set(["InvalidRequest", "NotImplemented", "ObjectLockConfigurationNotFoundError"]);

/** A bucket that was made without object lock refuses what is to be locked, in words that say little. */
export function lockRefused(error: unknown, bucket: string): unknown {
  if (!isAppError(error) || !REFUSED.has(String(error.details["s3Code"]))) return error;
  return new AppError("repository_unusable", `lock objects in ${bucket}: the bucket has no object lock`, {
    cause: error,
    hint: "make a new bucket with object lock (which most servers allow only then), or leave `lock` away",
    details: error.details,
  });
}

/** Asks how well a bucket keeps what is deleted or overwritten. Needs rights on the bucket's own settings. */
export async function protectionOf(connection: Connection, signal: AbortSignal): Promise<Protection> {
  const Bucket = connection.place.bucket;
  const about = `look at the settings of s3://${Bucket}`;
  const versioning = await connection.ask(
    about,
    signal,
    async ({ client, sdk, options }) =>
      (await client.send(new sdk.GetBucketVersioningCommand({ Bucket }), options)).Status === "Enabled",
  );
  const objectLock = await connection.ask(about, signal, async ({ client, sdk, options }) => {
    try {
      const found = await client.send(new sdk.GetObjectLockConfigurationCommand({ Bucket }), options);
      return found.ObjectLockConfiguration?.ObjectLockEnabled === "Enabled";
    } catch (error) {
      const { code, status } = failureOf(error);
      if (REFUSED.has(code) || (status === 404 && code !== "NoSuchBucket")) return false;
      throw error;
    }
  });
  const expiresOldVersions = await connection.ask(about, signal, async ({ client, sdk, options }) => {
    try {
      const found = await client.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket }), options);
      return (found.Rules ?? []).some(
        ({ Status, NoncurrentVersionExpiration }) =>
          Status === "Enabled" && NoncurrentVersionExpiration !== undefined,
      );
    } catch (error) {
      const { status, code } = failureOf(error);
      if (status === 404 && code !== "NoSuchBucket") return false;
      if (status === 403) return undefined;
      throw error;
    }
  });
  return { versioning, objectLock, expiresOldVersions };
}
