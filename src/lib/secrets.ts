// Shorter values would blank out ordinary words; a password this short is no secret anyway.
const SHORTEST = 4;

/**
 * The secrets this process knows (passwords of connection strings, tokens), so that they can be taken out of
 * every text that leaves it: messages, hints, details, what child programs print.
 */
export class Secrets {
  readonly #values = new Set<string>();

  /** Remembers a secret, also in its URL-encoded form. Empty and very short values are ignored. */
  add(secret: string | undefined): void {
    if (secret === undefined || secret.length < SHORTEST) return;
    this.#values.add(secret);
    this.#values.add(encodeURIComponent(secret));
  }

  /** The text with every known secret, and the password of anything that looks like a URL, replaced by `***`. */
  redact(text: string): string {
    let result = text.replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@/]+@/gi, "$1***@");
    // Longest first, or the tail of a secret that contains another would stay.
    for (const secret of [...this.#values].toSorted((a, b) => b.length - a.length)) {
      result = result.replaceAll(secret, "***");
    }
    return result;
  }
}
