import { AppError } from "../errors.ts";
import { literalPart } from "./interpolate.ts";
import { hasLiteralPassword, hasLiteralSecret } from "./literal-password.ts";
import type { Strategy } from "./strategy.ts";

// Stands anywhere in YAML as the text that it is, as `***` would not.
const COVER = "•••";

/**
 * The text of a strategy with `•••` for every secret that is written in it, rather than a variable's name. Fails with `not_allowed` where one
 * is written otherwise than it is read, and so is not found.
 */
export function coverSecrets(text: string, strategy: Strategy): string {
  return literalSecrets(strategy).reduce((covered, secret) => {
    if (!text.includes(secret))
      throw new AppError("not_allowed", `show ${strategy.path}: it holds a secret that cannot be covered`, {
        hint: "write `${NAME}` in its place, or look at the file itself",
      });
    return covered.replaceAll(secret, COVER);
  }, text);
}

/** The longest first: one may be a part of another. */
function literalSecrets({ databases, repositories, notify, daemon }: Strategy): string[] {
  const keys = [
    ...repositories.map(({ secretKey }) => secretKey),
    ...databases.map(({ provider }) => provider?.token),
    daemon.oidc?.clientSecret,
  ].flatMap((key) => (key === undefined || literalPart(key.text) === "" ? [] : [key.text]));
  const urls = [...databases, ...repositories].map(({ url }) => url.text).filter(hasLiteralPassword);
  const channels = (notify?.channels ?? [])
    .filter(hasLiteralSecret)
    .map((channel) => (channel.kind === "webhook" ? channel.secret.text : channel.url.text));
  return [...keys, ...urls, ...channels].toSorted((a, b) => b.length - a.length);
}
