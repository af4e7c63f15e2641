/** A cluster of a managed service. */
export interface ProviderCluster {
  readonly id: string;
  readonly name: string;
  /** The service's own word; only `online` takes connections. */
  readonly status: string;
  readonly createdAt: Date | null;
  readonly size: string;
  readonly region: string;
  readonly nodes: number;
  /** Major version of PostgreSQL. */
  readonly version: string | null;
  /** Of what Handled made: until when it may stay, the id of the cluster it came from, and its moment; otherwise null. */
  readonly lifetime: {
    readonly until: Date;
    readonly source: string;
    /** The moment that was restored; null where an older Handled made it. */
    readonly at: Date | null;
    /** Whose drill it is for, and nothing else; null: it is for none. */
    readonly drill: string | null;
  } | null;
  /** Connection string with its password, a registered secret; null while there is none. */
  readonly url: string | null;
}

/** All that a service tells of one of its backups. */
export interface ProviderBackup {
  readonly createdAt: Date;
  readonly bytes: number;
}

export interface NewCluster {
  readonly name: string;
  readonly source: ProviderCluster;
  /** The moment to restore. */
  readonly at: Date;
  readonly until: Date;
  /** Whose drill it is for: letters, digits and hyphens; null: it is for none. */
  readonly drill: string | null;
}

/** What of the source's access did not come over, in words. */
export interface CopiedAccess {
  readonly sources: number;
  readonly newUsers: readonly string[];
  readonly newPools: readonly string[];
  readonly lacking: readonly string[];
}

/**
 * What operations need of a managed service. Everything may fail with `provider_unreachable` (a later try may help) or
 * `provider_refused`. What it makes carries its lifetime from the first moment, so that no crash can leave it nameless.
 */
export interface Provider {
  /** The address that is asked, for messages. */
  readonly place: string;
  /** By name or id. Fails with `provider_refused` where there is none. */
  find(cluster: string, signal: AbortSignal): Promise<ProviderCluster>;
  /** All in the account, those of other engines among them: they count for what it may have. */
  clusters(signal: AbortSignal): Promise<ProviderCluster[]>;
  /** Newest first. */
  backups(cluster: ProviderCluster, signal: AbortSignal): Promise<ProviderBackup[]>;
  /** Starts a new cluster from the source's backup of that moment, with the source's size, region and trusted sources. */
  restoreToNew(request: NewCluster, signal: AbortSignal): Promise<ProviderCluster>;
  look(id: string, signal: AbortSignal): Promise<ProviderCluster>;
  /** Every `host:port` under which a cluster is reached, pools and private network included, in lower case. */
  addresses(id: string, signal: AbortSignal): Promise<string[]>;
  /** Brings trusted sources, users and pools of `from` that `to` lacks over to it. */
  copyAccess(from: ProviderCluster, to: ProviderCluster, signal: AbortSignal): Promise<CopiedAccess>;
  /** Done, too, where it is gone already. */
  destroy(id: string, signal: AbortSignal): Promise<void>;
}

/** The same server and user, another database. @param url of a cluster */
export function urlOfDatabase(url: string, database: string): string {
  const made = new URL(url);
  made.pathname = `/${encodeURIComponent(database)}`;
  return made.href;
}
