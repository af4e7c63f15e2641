import { AppError, type AppErrorOptions, type ErrorCode, messageOf } from "../../errors.ts";
import { formatDuration } from "../../lib/text.ts";
import { type Failure, failureOf, isSkewed, isTransient } from "./failure.ts";

const RIGHTS =
  "allow s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload on the objects, and s3:ListBucket, s3:ListBucketMultipartUploads on the bucket";
const KEYS =
  "look at `accessKey` and `secretKey` of the repository, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile";

/** What a request was about. */
export interface Asked {
  /** A verb and an object: `write s3://bucket/key`. */
  readonly what: string;
  readonly bucket: string;
  readonly endpoint: string | undefined;
  /** This machine's clock when the answer came. */
  readonly now: Date;
}

/** What a failed request means to the caller. */
export function s3Error(asked: Asked, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  const failure = failureOf(cause);
  const { code, reason, hint } = explain(asked, failure, cause);
  return new AppError(code, `${asked.what}: ${reason}`, {
    cause,
    hint,
    details: { s3Code: failure.code, ...(failure.status === undefined ? {} : { status: failure.status }) },
  });
}

interface Explained extends Pick<AppErrorOptions, "hint"> {
  readonly code: ErrorCode;
  readonly reason: string;
}

function explain(asked: Asked, failure: Failure, cause: unknown): Explained {
  const { bucket } = asked;
  const unusable = (reason: string, hint?: string): Explained => ({
    code: "repository_unusable",
    reason,
    hint,
  });
  if (isSkewed(failure)) return unusable(...skew(asked, failure));
  switch (failure.code) {
    case "NoSuchKey":
      return { code: "object_missing", reason: "there is no such object" };
    case "NoSuchBucket":
      return {
        code: "bucket_missing",
        reason: `there is no bucket ${bucket}`,
        hint: "make the bucket, or correct its name, region and endpoint; Handled never makes one",
      };
    case "SignatureDoesNotMatch":
      return unusable("the secret key is wrong", KEYS);
    case "InvalidAccessKeyId":
    case "InvalidAccessKey":
    case "UnrecognizedClientException":
      return unusable("the access key is not known there", KEYS);
    case "ExpiredToken":
    case "ExpiredTokenException":
    case "InvalidToken":
    case "TokenRefreshRequired":
      return unusable("the session's token has run out or is wrong", "log in again, or use lasting keys");
    case "CredentialsProviderError":
      return unusable(
        "no keys were found",
        "set `accessKey` and `secretKey` of the repository, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
      );
    case "PreconditionFailed":
      return unusable("the object was replaced while it was read");
    case "QuotaExceeded":
    case "XMinioStorageFull":
    case "XMinioAdminBucketQuotaExceeded":
      return {
        code: "space_missing",
        reason: "the quota or the disk of the object store is used up",
        hint: "have the quota raised, or keep fewer backups",
      };
    case "PermanentRedirect":
    case "TemporaryRedirect":
    case "AuthorizationHeaderMalformed":
    case "IllegalLocationConstraintException":
      return unusable("the bucket is in another region", "name it in the URL: `?region=…`");
    default:
      return byStatus(asked, failure, cause);
  }
}

function byStatus({ endpoint, bucket }: Asked, failure: Failure, cause: unknown): Explained {
  const { code, status } = failure;
  const word = code === "" || code === String(status) ? `${status}` : `${status} (${code})`;
  const at = endpoint ?? "AWS";
  if (isTransient(cause, failure)) {
    return {
      code: "repository_unreachable",
      reason:
        status === undefined ? `${at} does not answer (${code})` : `${at} answered ${word} for too long`,
      hint:
        status === undefined
          ? "look at the endpoint's name and port, the network, firewall and proxies"
          : "the object store is overloaded or down: try again later",
    };
  }
  if (status === 507) return { code: "space_missing", reason: "the object store is full" };
  if (status === 403 || status === 401)
    return { code: "repository_unusable", reason: `access denied: ${word}`, hint: `${RIGHTS}; and ${KEYS}` };
  if (status === 404)
    return {
      code: "object_missing",
      reason: `there is no such object in bucket ${bucket}`,
    };
  if (status === 501 || code === "NotImplemented") {
    return {
      code: "repository_unusable",
      reason: "this object store cannot do what is needed",
      hint: "it has to know conditional writes (`If-None-Match`), multipart uploads and server-side copies: AWS, MinIO, R2, Spaces and Ceph do",
    };
  }
  if (status !== undefined)
    return {
      code: "repository_unusable",
      reason: `${at} answered ${word}: ${messageOf(cause)}`,
      hint: undefined,
    };
  return {
    code: "repository_unusable",
    reason: messageOf(cause),
    hint: /CERT|VERIFY|TLS|SSL|EPROTO/.test(code)
      ? "name the authority that signed its certificate with NODE_EXTRA_CA_CERTS"
      : // The client itself refused, before it asked anybody.
        "say where the bucket is: `s3://bucket/prefix?endpoint=https://…&region=…`, or AWS_REGION for AWS",
  };
}

function skew({ now }: Asked, { serverTime }: Failure): [reason: string, hint: string] {
  const hint = "let NTP set this machine's clock (`timedatectl set-ntp true`)";
  if (serverTime === undefined) return ["this machine's clock and the server's differ too much", hint];
  const ms = now.getTime() - serverTime.getTime();
  const ahead = ms > 0 ? "ahead of" : "behind";
  return [
    `this machine's clock is ${formatDuration(Math.abs(ms))} ${ahead} the server's`,
    `${hint}; it says ${now.toISOString()}, the server ${serverTime.toISOString()}`,
  ];
}
