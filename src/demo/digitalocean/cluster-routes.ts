import type { Account } from "./account.ts";
import { optionsAnswer } from "./catalogue.ts";
import { backupsView, clusterView } from "./cluster-view.ts";
import { notFound } from "./refusal.ts";
import { CreateRequest, readBody } from "./requests.ts";
import type { ApiRequest, Route } from "./router.ts";

const CLUSTER = "/v2/databases/:id";

/** The account, what is offered, clusters, and what can be read of one. */
export function clusterRoutes(account: Account): Route[] {
  const { tls } = account.service;
  const view = (cluster: ReturnType<Account["byId"]>): object => clusterView(cluster, tls !== undefined);
  const find = ({ params }: ApiRequest): ReturnType<Account["byId"]> => account.byId(params["id"] ?? "");
  return [
    {
      method: "GET",
      path: "/v2/account",
      answer: "account",
      handle: () => ({ status: 200, body: { account: ACCOUNT } }),
    },
    {
      method: "GET",
      path: "/v2/databases/options",
      answer: "options",
      handle: () => ({ status: 200, body: optionsAnswer(account.rules.majors) }),
    },
    {
      method: "GET",
      path: "/v2/databases",
      answer: "clusters",
      handle: ({ query }) => {
        const tag = query.get("tag_name");
        const all = [...account.clusters.values()];
        const found = tag === null ? all : all.filter(({ tags }) => tags.includes(tag));
        return { status: 200, body: { databases: found.map(view) } };
      },
    },
    {
      method: "POST",
      path: "/v2/databases",
      answer: "cluster",
      handle: ({ body }) => {
        const cluster = account.create(readBody(CreateRequest, body));
        return { status: 201, body: { database: view(cluster) } };
      },
    },
    {
      method: "GET",
      path: CLUSTER,
      answer: "cluster",
      handle: (request) => ({ status: 200, body: { database: view(find(request)) } }),
    },
    {
      method: "DELETE",
      path: CLUSTER,
      answer: "nothing",
      handle: async (request) => {
        await account.remove(find(request));
        return { status: 204 };
      },
    },
    {
      method: "GET",
      path: `${CLUSTER}/backups`,
      answer: "backups",
      handle: (request) => ({ status: 200, body: backupsView(find(request)) }),
    },
    {
      method: "GET",
      path: `${CLUSTER}/events`,
      answer: "events",
      handle: (request) => ({ status: 200, body: { events: find(request).events } }),
    },
    {
      method: "GET",
      path: `${CLUSTER}/ca`,
      answer: "certificate",
      handle: (request) => {
        find(request);
        if (tls === undefined) throw notFound("a certificate (servers here speak no TLS)");
        const certificate = Buffer.from(tls.authority).toString("base64");
        return { status: 200, body: { ca: { certificate } } };
      },
    },
  ];
}

const ACCOUNT = {
  droplet_limit: 25,
  floating_ip_limit: 5,
  email: "owner@platform.example",
  name: "Demo",
  uuid: "4b1d2f0ad9a34ca8b6f7c2f3a1b0d9e8",
  email_verified: true,
  status: "active",
  status_message: "",
  team: { uuid: "0c9d7a5e4f3b2a1908f7e6d5c4b3a291", name: "Platform" },
};
