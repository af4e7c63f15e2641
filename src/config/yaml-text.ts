// What other readers of YAML (1.1) take for a boolean or null as well.
const WORDS = /^(?:null|true|false|yes|no|on|off|y|n)$/i;
const PLAIN = /^[A-Za-z/](?:[A-Za-z0-9 _./@+=-]|:(?=[A-Za-z0-9/]))*$/;
const DURATION = /^\d+(?:s|m|min|h|d|w)$/;
const REFERENCE = /^\$\{[A-Za-z_]\w*\}$/;

/** A text as a YAML scalar of one line that every reader takes for exactly this text. Fits values and keys of blocks. */
export function yamlScalar(text: string): string {
  const isWord = PLAIN.test(text) && !WORDS.test(text) && !text.endsWith(" ");
  const isPlain = isWord || DURATION.test(text) || REFERENCE.test(text);
  // A JSON string is a double-quoted scalar of YAML 1.2, escapes included.
  return isPlain ? text : JSON.stringify(text);
}

/** `[config, customer]`. */
export function yamlList(texts: readonly string[]): string {
  return `[${texts.map((text) => (REFERENCE.test(text) ? JSON.stringify(text) : yamlScalar(text))).join(", ")}]`;
}
