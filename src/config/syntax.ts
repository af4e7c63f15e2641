import type { ErrorCode as YamlCode } from "yaml";

/**
 * What a YAML error means to somebody who wrote a strategy. Our own words, because the library's quote the source,
 * which may hold a password.
 */
export function syntaxMessage(code: YamlCode, line: string): string {
  // The commonest mistake of all: in `{ url: ${X} }` the braces of the reference are YAML's own.
  if (code === "UNEXPECTED_TOKEN" && line.includes("${"))
    return 'text with `${…}` needs quotes between `{ }` and `[ ]`: write "${NAME}"';
  switch (code) {
    case "TAB_AS_INDENT":
      return "a tab is used as indentation: use spaces";
    case "BAD_INDENT":
      return "the indentation does not fit the lines before, or a `[` or `{` is not closed";
    case "BAD_ALIAS":
    case "ALIAS_PROPS":
      return "`*` begins an alias in YAML: put a text that begins with it in quotes";
    case "BAD_SCALAR_START":
      return "a text may not begin with this character: put it in quotes";
    case "BLOCK_AS_IMPLICIT_KEY":
    case "MULTILINE_IMPLICIT_KEY":
    case "BLOCK_IN_FLOW":
    case "KEY_OVER_1024_CHARS":
      return "a key stands where none can be: check the indentation, and put text that contains `: ` in quotes";
    case "MISSING_CHAR":
      return "something is not closed or separated: a quote, a bracket, a comma, or the `:` after a key";
    case "BAD_DQ_ESCAPE":
      return "unknown escape after `\\` in double quotes: write `\\\\`, or use single quotes";
    case "MULTIPLE_DOCS":
      return "a second document begins here: a strategy is one YAML document";
    case "TAG_RESOLVE_FAILED":
    case "MULTIPLE_TAGS":
    case "BAD_COLLECTION_TYPE":
      return "`!` begins a tag in YAML, and a strategy has none: put a text that begins with it in quotes";
    case "RESOURCE_EXHAUSTION":
      return "this is nested too deeply";
    case "BAD_DIRECTIVE":
    case "BAD_PROP_ORDER":
    case "DUPLICATE_KEY":
    case "IMPOSSIBLE":
    case "MULTIPLE_ANCHORS":
    case "NON_STRING_KEY":
    case "UNEXPECTED_TOKEN":
      return "this is not valid YAML: check quotes, brackets and indentation";
  }
}
