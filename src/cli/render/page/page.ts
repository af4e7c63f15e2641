/** A printed page, before it is text or HTML: both say the same. */
export interface Page {
  readonly title: string;
  /** Under the title. */
  readonly lead: readonly string[];
  readonly sections: readonly Section[];
}

export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
  /** Begins on a new sheet. */
  readonly isAppendix?: boolean;
}

/** In texts, what stands between backticks is something to type. */
export type Block =
  | { readonly kind: "heading"; readonly text: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "warning"; readonly text: string }
  /** A name and what it is. */
  | { readonly kind: "facts"; readonly rows: readonly (readonly [string, string])[] }
  /** Rows under names of columns. */
  | {
      readonly kind: "table";
      readonly head: readonly string[];
      readonly rows: readonly (readonly string[])[];
    }
  /** To be typed as it stands. */
  | { readonly kind: "commands"; readonly lines: readonly string[] }
  /** Something that is better not printed: a line to write on. */
  | { readonly kind: "blank"; readonly label: string };

export const text = (words: string): Block => ({ kind: "text", text: words });
export const warning = (words: string): Block => ({ kind: "warning", text: words });
export const heading = (words: string): Block => ({ kind: "heading", text: words });
export const commands = (...lines: string[]): Block => ({ kind: "commands", lines });
export const blank = (label: string): Block => ({ kind: "blank", label });
export const facts = (rows: readonly (readonly [string, string])[]): Block => ({ kind: "facts", rows });
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): Block => ({
  kind: "table",
  head,
  rows,
});
