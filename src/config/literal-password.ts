import { hasReferences, literalPart } from "./interpolate.ts";
import type { Channel } from "./notify.ts";

/**
 * Whether a connection string (URI or keywords) or the URL of a repository has a password written in it, rather than
 * one that comes from the environment.
 */
export function hasLiteralPassword(text: string): boolean {
  const literal = literalPart(text);
  if (/^\s*[a-z][a-z0-9+.-]*:\/\//i.test(literal))
    return /^\s*[^:]+:\/\/[^/@:]*:[^/@]+@/.test(literal) || /[?&](?:ssl)?password=[^&]/i.test(literal);
  return /(?:^|\s)(?:ssl)?password\s*=\s*(?:'[^']|[^'\s])/i.test(literal);
}

/** Whether the secret key of a repository is written in the strategy, rather than one that comes from the environment. */
export function hasLiteralKey({
  secretKey,
}: {
  readonly secretKey: { readonly text: string } | undefined;
}): boolean {
  return secretKey !== undefined && literalPart(secretKey.text) !== "";
}

/** Whether what lets somebody send through a channel is written in the strategy: of some kinds the address itself is the secret. */
export function hasLiteralSecret(channel: Channel): boolean {
  switch (channel.kind) {
    case "email":
      return hasLiteralPassword(channel.url.text);
    case "webhook":
      return literalPart(channel.secret.text) !== "";
    case "slack":
    case "ping":
      return !hasReferences(channel.url.text);
  }
}
