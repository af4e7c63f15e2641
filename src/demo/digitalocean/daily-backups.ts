import { rm } from "node:fs/promises";
import { messageOf } from "../../errors.ts";
import { isServing } from "../../postgres/cluster-control.ts";
import { type Account, DAY_MS } from "./account.ts";
import type { ManagedCluster } from "./managed-cluster.ts";

/**
 * Lets the service's time go on to a moment, and does on the way what is due: the daily backup of each cluster, and the removal of those
 * that are too old. A server that is down has no backup that day.
 */
export async function passTime(account: Account, until: Date): Promise<void> {
  const { time } = account.service;
  for (;;) {
    const [due] = [...account.clusters.values()]
      .filter(({ status, nextBackup }) => status === "online" && nextBackup <= until)
      .toSorted((a, b) => a.nextBackup.getTime() - b.nextBackup.getTime());
    if (due === undefined) break;
    time.skipTo(due.nextBackup);
    due.nextBackup = new Date(due.nextBackup.getTime() + DAY_MS);
    if (due.daily && (await isServing(due.folders.server))) await backUp(account, due);
    await removeOld(account, due);
  }
  time.skipTo(until);
  for (const cluster of account.clusters.values()) await removeOld(account, cluster);
}

/** A backup that fails is missing; nobody but the list of backups tells the customer. */
async function backUp(account: Account, cluster: ManagedCluster): Promise<void> {
  try {
    await account.backUp(cluster);
  } catch (error) {
    if (cluster.end.signal.aborted) return;
    const { name } = cluster.request;
    account.service.runtime.reporter.warn(
      `daily backup of the emulated cluster ${name}: ${messageOf(error)}`,
    );
  }
}

async function removeOld(account: Account, cluster: ManagedCluster): Promise<void> {
  const since = account.service.time.now().getTime() - account.rules.keepBackupsMs;
  const old = cluster.backups.filter(({ createdAt }) => createdAt.getTime() < since);
  cluster.backups = cluster.backups.filter((one) => !old.includes(one));
  for (const { folder } of old) await rm(folder, { recursive: true, force: true });
}

/** Does what is due every minute, until the signal. */
export async function keepTime(account: Account, signal: AbortSignal): Promise<void> {
  const { clock } = account.service.runtime;
  while (!signal.aborted) {
    await passTime(account, account.service.time.now());
    await clock.wait(MINUTE_MS, signal);
  }
}

const MINUTE_MS = 60_000;
