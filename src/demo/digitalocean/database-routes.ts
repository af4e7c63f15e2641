import type { Account } from "./account.ts";
import { poolView } from "./cluster-view.ts";
import { isServing } from "../../postgres/cluster-control.ts";
import { DEFAULT_DATABASE, type ManagedCluster, type Pool, requireOnline } from "./managed-cluster.ts";
import type { Service } from "./managed-server.ts";
import { notFound, unprocessable } from "./refusal.ts";
import { DatabaseRequest, PoolRequest, PoolUpdate, readBody } from "./requests.ts";
import { dropDatabase, listDatabases, makeDatabase } from "./roles.ts";
import type { ApiRequest, Route } from "./router.ts";

const DATABASES = "/v2/databases/:id/dbs";
const DATABASE = `${DATABASES}/:name`;
const POOLS = "/v2/databases/:id/pools";
const POOL = `${POOLS}/:name`;

/** Databases within a cluster, and connection pools. */
export function databaseRoutes(account: Account): Route[] {
  const { service } = account;
  const find = ({ params }: ApiRequest): ManagedCluster => account.byId(params["id"] ?? "");
  return [...databases(service, find), ...pools(service, find)];
}

type Find = (request: ApiRequest) => ManagedCluster;

function databases(service: Service, find: Find): Route[] {
  const findDatabase = async (request: ApiRequest): Promise<{ cluster: ManagedCluster; name: string }> => {
    const cluster = find(request);
    const name = request.params["name"] ?? "";
    if (!(await currentDatabases(service, cluster)).includes(name)) throw notFound(`database ${name}`);
    return { cluster, name };
  };
  return [
    {
      method: "GET",
      path: DATABASES,
      answer: "databases",
      handle: async (request) => {
        const names = await currentDatabases(service, find(request));
        return { status: 200, body: { dbs: names.map((name) => ({ name })) } };
      },
    },
    {
      method: "POST",
      path: DATABASES,
      answer: "database",
      handle: async (request) => {
        const cluster = find(request);
        const { name } = readBody(DatabaseRequest, request.body);
        await makeDatabase(service, requireOnline(cluster), name, cluster.end.signal);
        await currentDatabases(service, cluster);
        return { status: 201, body: { db: { name } } };
      },
    },
    {
      method: "GET",
      path: DATABASE,
      answer: "database",
      handle: async (request) => ({
        status: 200,
        body: { db: { name: (await findDatabase(request)).name } },
      }),
    },
    {
      method: "DELETE",
      path: DATABASE,
      answer: "nothing",
      handle: async (request) => {
        const { cluster, name } = await findDatabase(request);
        if (name === DEFAULT_DATABASE) throw unprocessable(`${name} cannot be deleted`);
        await dropDatabase(service, requireOnline(cluster), name, cluster.end.signal);
        await currentDatabases(service, cluster);
        return { status: 204 };
      },
    },
  ];
}

/** What the server has; what it had last where it does not run. */
async function currentDatabases(service: Service, cluster: ManagedCluster): Promise<readonly string[]> {
  const { server, folders, end } = cluster;
  if (server !== undefined && (await isServing(folders.server)))
    cluster.databases = await listDatabases(service, server, end.signal);
  return cluster.databases;
}

function pools(service: Service, find: Find): Route[] {
  const tls = service.tls !== undefined;
  const findPool = (request: ApiRequest): { cluster: ManagedCluster; pool: Pool } => {
    const cluster = find(request);
    const name = request.params["name"] ?? "";
    const pool = cluster.pools.get(name);
    if (pool === undefined) throw notFound(`pool ${name}`);
    return { cluster, pool };
  };
  const put = async (cluster: ManagedCluster, pool: Pool): Promise<void> => {
    if (pool.user !== undefined && !cluster.users.has(pool.user))
      throw unprocessable(`user: there is no user ${pool.user}`);
    if (!(await currentDatabases(service, cluster)).includes(pool.db))
      throw unprocessable(`db: there is no database ${pool.db}`);
    cluster.pools.set(pool.name, pool);
  };
  return [
    {
      method: "GET",
      path: POOLS,
      answer: "pools",
      handle: (request) => {
        const cluster = find(request);
        const all = [...cluster.pools.values()].map((pool) => poolView(pool, cluster, tls));
        return { status: 200, body: { pools: all } };
      },
    },
    {
      method: "POST",
      path: POOLS,
      answer: "pool",
      handle: async (request) => {
        const cluster = find(request);
        const pool = readBody(PoolRequest, request.body);
        if (cluster.pools.has(pool.name)) throw unprocessable(`name: there is a pool ${pool.name}`);
        await put(cluster, pool);
        return { status: 201, body: { pool: poolView(pool, cluster, tls) } };
      },
    },
    {
      method: "GET",
      path: POOL,
      answer: "pool",
      handle: (request) => {
        const { cluster, pool } = findPool(request);
        return { status: 200, body: { pool: poolView(pool, cluster, tls) } };
      },
    },
    {
      method: "PUT",
      path: POOL,
      answer: "nothing",
      handle: async (request) => {
        const { cluster, pool } = findPool(request);
        await put(cluster, { ...readBody(PoolUpdate, request.body), name: pool.name });
        return { status: 204 };
      },
    },
    {
      method: "DELETE",
      path: POOL,
      answer: "nothing",
      handle: (request) => {
        const { cluster, pool } = findPool(request);
        cluster.pools.delete(pool.name);
        return { status: 204 };
      },
    },
  ];
}
