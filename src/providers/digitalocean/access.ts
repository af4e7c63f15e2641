import type { z } from "zod";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { CopiedAccess } from "../provider.ts";
import { type Api, pathOf } from "./api.ts";
import { answers, requests } from "./contract.ts";
import { makeOnce } from "./make-once.ts";

type User = z.output<typeof answers.user>["user"];
type Pool = z.output<typeof answers.pool>["pool"];

/** Ids of two clusters. */
interface Pair {
  readonly from: string;
  readonly to: string;
}

/** Brings trusted sources, users and pools that `to` lacks over to it. Once more does no harm, and tells the same. */
export async function copyAccess(
  runtime: Runtime,
  api: Api,
  pair: Pair,
  signal: AbortSignal,
): Promise<CopiedAccess> {
  const rules = await rulesOf(api, pair.from, signal);
  await api.put(`${pathOf(pair.to)}/firewall`, requests.setFirewall.parse({ rules }), signal);
  const newUsers = await copyUsers(runtime, api, pair, signal);
  return { sources: rules.length, newUsers, ...(await copyPools(runtime, api, pair, signal)) };
}

/** The trusted sources of a cluster, as they are sent. */
export async function rulesOf(
  api: Api,
  id: string,
  signal: AbortSignal,
): Promise<z.output<typeof requests.setFirewall>["rules"]> {
  const { rules } = await api.get(`${pathOf(id)}/firewall`, answers.firewall, signal);
  const plain = (rules ?? []).map(({ type, value, description }) => ({
    type,
    value,
    ...(description ? { description } : {}),
  }));
  const parsed = requests.setFirewall.safeParse({ rules: plain });
  if (parsed.success) return parsed.data.rules;
  throw new AppError("provider_refused", "copy trusted sources: one is of a kind that Handled does not know");
}

export async function poolsOf(api: Api, id: string, signal: AbortSignal): Promise<Pool[]> {
  return (await api.get(`${pathOf(id)}/pools`, answers.pools, signal)).pools ?? [];
}

/** Makes the users that are lacking. Returns all that have another password than before, whoever made them. */
async function copyUsers(runtime: Runtime, api: Api, pair: Pair, signal: AbortSignal): Promise<string[]> {
  const usersOf = async (id: string): Promise<User[]> => {
    const { users } = await api.get(`${pathOf(id)}/users`, answers.users, signal);
    for (const { password } of users ?? []) runtime.secrets.add(password);
    return users ?? [];
  };
  const wanted = await usersOf(pair.from);
  const there = await usersOf(pair.to);
  const newUsers: string[] = [];
  for (const { name, settings, role, password } of wanted) {
    const one = there.find((user) => user.name === name);
    // The administrator's is another in each cluster.
    const isOther = role === "normal" && password && one?.password && password !== one.password;
    if (one === undefined || isOther) newUsers.push(name);
    if (one !== undefined) continue;
    const replication = settings?.pg_allow_replication;
    const body = requests.createUser.parse({
      name,
      ...(replication === undefined ? {} : { settings: { pg_allow_replication: replication } }),
    });
    const send = async (): Promise<User> =>
      (await api.post(`${pathOf(pair.to)}/users`, body, answers.user, signal)).user;
    const find = async (): Promise<User | undefined> =>
      (await usersOf(pair.to)).find((user) => user.name === name);
    runtime.secrets.add((await makeOnce(runtime, { send, find }, signal)).password);
  }
  return newUsers;
}

async function copyPools(
  runtime: Runtime,
  api: Api,
  { from, to }: Pair,
  signal: AbortSignal,
): Promise<Pick<CopiedAccess, "newPools" | "lacking">> {
  const [wanted, there] = [await poolsOf(api, from, signal), await poolsOf(api, to, signal)];
  const newPools: string[] = [];
  const lacking: string[] = [];
  for (const pool of wanted.filter(({ name }) => !there.some((one) => one.name === name))) {
    const { name, mode, size, db, user } = pool;
    const body = requests.createPool.safeParse({ name, mode, size, db, user: user || undefined });
    try {
      if (!body.success) throw new AppError("provider_refused", `mode ${mode} is not known`);
      const { data } = body;
      const send = async (): Promise<Pool> =>
        (await api.post(`${pathOf(to)}/pools`, data, answers.pool, signal)).pool;
      const find = async (): Promise<Pool | undefined> =>
        (await poolsOf(api, to, signal)).find((one) => one.name === name);
      await makeOnce(runtime, { send, find }, signal);
      newPools.push(name);
    } catch (error) {
      // A pool of a database that the backup does not have: the rows are there all the same.
      if (!isAppError(error, "provider_refused")) throw error;
      lacking.push(`pool ${name}: ${error.message}`);
    }
  }
  return { newPools, lacking };
}
