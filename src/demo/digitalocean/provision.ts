import { isServing } from "../../postgres/cluster-control.ts";
import { ADMIN, allowedAddresses, type ManagedCluster, newPassword } from "./managed-cluster.ts";
import { type Service, startManagedServer } from "./managed-server.ts";
import { archiveAll, startFromBackup } from "./replay.ts";
import type { RestoreTarget } from "./restore-target.ts";
import { listDatabases, listRoles, makeAdmin, setPassword } from "./roles.ts";

/** Gives a cluster its server: a new one, or one made from a backup of another cluster. */
export async function provision(
  service: Service,
  cluster: ManagedCluster,
  source: { readonly from: ManagedCluster; readonly target: RestoreTarget } | undefined,
  forkUsers: "keep" | "forget",
): Promise<void> {
  const { signal } = cluster.end;
  const how = { major: cluster.major, allowed: allowedAddresses(cluster.rules) };
  if (source === undefined) {
    cluster.server = await startManagedServer(service, cluster.folders, how, signal);
    cluster.users.set(ADMIN, await makeAdmin(service, cluster.server, signal));
    return;
  }
  const { from, target } = source;
  const reaches = target.until === undefined || (await archiveLog(service, from, signal));
  cluster.server = await startFromBackup(
    service,
    cluster.folders,
    { ...target, from: from.folders, reaches },
    how,
    signal,
  );
  cluster.databases = await listDatabases(service, cluster.server, signal);
  await takeOverUsers(service, cluster, from, forkUsers);
}

/** Archives the log of a cluster whose server runs; false when it does not, and what there is may end too early. */
async function archiveLog(service: Service, from: ManagedCluster, signal: AbortSignal): Promise<boolean> {
  const { server, folders } = from;
  if (server === undefined || !(await isServing(folders.server))) return false;
  await archiveAll(service, server, folders.wal, signal);
  return true;
}

/** The roles are in the backup. The administrator has a password of its own in each cluster. */
async function takeOverUsers(
  service: Service,
  cluster: ManagedCluster,
  from: ManagedCluster,
  forkUsers: "keep" | "forget",
): Promise<void> {
  const { server, users, end } = cluster;
  if (server === undefined) return;
  for (const name of await listRoles(service, server, end.signal)) {
    const known = from.users.get(name);
    const isAdmin = name === ADMIN;
    const kept = isAdmin || (forkUsers === "keep" && known !== undefined);
    const password = isAdmin ? newPassword() : kept ? (known?.password ?? null) : null;
    await setPassword(service, server, { name, password }, end.signal);
    if (!kept || password === null) continue;
    const user = known ?? { name, role: "primary", replication: true };
    users.set(name, { ...user, password });
  }
}
