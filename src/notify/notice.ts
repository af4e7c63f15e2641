import type { Severity } from "../config/notify.ts";

/** One message, in the forms that channels take. */
export interface Notice {
  /** One line that says which database, and what follows from it. */
  readonly subject: string;
  readonly text: string;
  /** A whole page. */
  readonly html: string;
  /** The worst of what it tells. */
  readonly severity: Severity;
  /** For programs. */
  readonly event: Readonly<Record<string, unknown>>;
}
