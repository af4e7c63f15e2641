const PREFIX = "provider:";

/** What one of a service's backups is called here: the service has no names for them, and tells their times to the second. */
export function providerBackupId(createdAt: Date): string {
  return `${PREFIX}${createdAt.toISOString().replace(/\.\d+Z$/, "Z")}`;
}

export function isProviderBackupId(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Its time; undefined where there is none. */
export function timeOfProviderBackup(id: string): Date | undefined {
  const text = id.slice(PREFIX.length);
  const isWhole = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/.test(text);
  const at = new Date(text);
  return isProviderBackupId(id) && isWhole && !Number.isNaN(at.getTime()) ? at : undefined;
}
