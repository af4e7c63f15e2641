import type { Account } from "./account.ts";
import { userView } from "./cluster-view.ts";
import { checkRules } from "./check-rules.ts";
import {
  ADMIN,
  addEvent,
  allowedAddresses,
  type DatabaseUser,
  type ManagedCluster,
  newPassword,
  requireOnline,
  setRules,
} from "./managed-cluster.ts";
import { isServing } from "../../postgres/cluster-control.ts";
import { accessLines, asSuperuser, type Service, writeAccess } from "./managed-server.ts";
import { notFound, unprocessable } from "./refusal.ts";
import { FirewallRequest, readBody, UserRequest } from "./requests.ts";
import { dropUser, makeUser, setPassword } from "./roles.ts";
import type { ApiRequest, Route } from "./router.ts";

const FIREWALL = "/v2/databases/:id/firewall";
const USERS = "/v2/databases/:id/users";
const USER = `${USERS}/:user`;

/** Who may connect, from where. */
export function accessRoutes(account: Account): Route[] {
  const { service } = account;
  const find = ({ params }: ApiRequest): ManagedCluster => account.byId(params["id"] ?? "");
  const findUser = (request: ApiRequest): { cluster: ManagedCluster; user: DatabaseUser } => {
    const cluster = find(request);
    const name = request.params["user"] ?? "";
    const user = cluster.users.get(name);
    if (user === undefined) throw notFound(`user ${name}`);
    return { cluster, user };
  };
  return [
    {
      method: "GET",
      path: FIREWALL,
      answer: "rules",
      handle: (request) => ({ status: 200, body: { rules: find(request).rules } }),
    },
    {
      method: "PUT",
      path: FIREWALL,
      answer: "nothing",
      handle: async (request) => {
        const cluster = find(request);
        const { rules } = readBody(FirewallRequest, request.body);
        checkRules(rules);
        setRules(cluster, rules, service.time.now());
        await enforce(service, cluster);
        addEvent(cluster, "cluster_update", service.time.now());
        return { status: 204 };
      },
    },
    {
      method: "GET",
      path: USERS,
      answer: "users",
      handle: (request) => ({
        status: 200,
        body: { users: [...find(request).users.values()].map(userView) },
      }),
    },
    {
      method: "POST",
      path: USERS,
      answer: "user",
      handle: async (request) => {
        const cluster = find(request);
        const { name, settings } = readBody(UserRequest, request.body);
        const server = requireOnline(cluster);
        if (cluster.users.has(name) || RESERVED.test(name))
          throw unprocessable(`name: ${name} cannot be made or is there already`);
        const replication = settings?.pg_allow_replication ?? false;
        const user = await makeUser(service, server, { name, replication }, cluster.end.signal);
        cluster.users.set(name, user);
        return { status: 201, body: { user: userView(user) } };
      },
    },
    {
      method: "GET",
      path: USER,
      answer: "user",
      handle: (request) => ({ status: 200, body: { user: userView(findUser(request).user) } }),
    },
    {
      method: "DELETE",
      path: USER,
      answer: "nothing",
      handle: async (request) => {
        const { cluster, user } = findUser(request);
        if (user.name === ADMIN) throw unprocessable(`${ADMIN} cannot be deleted`);
        await dropUser(service, requireOnline(cluster), user.name, cluster.end.signal);
        cluster.users.delete(user.name);
        return { status: 204 };
      },
    },
    {
      method: "POST",
      path: `${USER}/reset_auth`,
      answer: "user",
      handle: async (request) => {
        const { cluster, user } = findUser(request);
        const password = newPassword();
        const { name } = user;
        await setPassword(service, requireOnline(cluster), { name, password }, cluster.end.signal);
        user.password = password;
        return { status: 200, body: { user: userView(user) } };
      },
    },
  ];
}

// The service's own role, and names that PostgreSQL keeps to itself.
const RESERVED = /^(postgres|public|none|pg_.*)$/;

async function enforce(service: Service, cluster: ManagedCluster): Promise<void> {
  const { server, folders, rules } = cluster;
  if (!service.enforceFirewall || server === undefined || !(await isServing(folders.server))) return;
  await writeAccess(folders.server, accessLines(service, allowedAddresses(rules)));
  await asSuperuser(service, server, "postgres", cluster.end.signal, (session) =>
    session.query("select pg_catalog.pg_reload_conf()"),
  );
}
