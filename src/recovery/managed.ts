import type { ManagedBy } from "../config/provider.ts";
import type { ProviderRestorePreview } from "../operations/provider/restore.ts";
import type { Provider } from "../providers/provider.ts";

/** The managed service that a database is in, as far as its recovery has to do with it. */
export interface Managed {
  /** Of the database in the strategy. */
  readonly name: string;
  readonly settings: ManagedBy;
  /** Name of the database in its cluster. */
  readonly database: string;
  /** Fails where the token is not known. */
  open(): Provider;
  /** What is said before a cluster is made: its moment, its price, how many there are. */
  describe(preview: ProviderRestorePreview): readonly string[];
}

/** Where a recovery from a managed service brings the database back from; undefined: from whatever can, the newest first. */
export type ManagedSource = "provider" | "backup" | undefined;
