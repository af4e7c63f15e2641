import { expect, test } from "vitest";
import { DiffJson } from "../src/json/look.ts";
import { backedUp } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { clusterUrl, runSql, uniqueName } from "./support/postgres.ts";

// What a table has beside its columns and rows: how it comes to differ, and by which definition that is told.
const CHANGES: Readonly<Record<string, readonly [change: string, ...told: string[]]>> = {
  method: ["alter table method set access method heap", "TABLE public.method"],
  view: ["alter materialized view view set access method heap", "MATERIALIZED VIEW public.view"],
  place: ["alter table place set tablespace pg_default", "TABLE public.place"],
  index_place: ["alter index index_place_at set tablespace pg_default", "INDEX public.index_place_at"],
  options: ["alter table options set (fillfactor = 50)", "TABLE public.options"],
  toast: ["alter table toast set (toast.autovacuum_enabled = off)", "TABLE public.toast"],
  identity: ["alter table identity replica identity full", "TABLE public.identity"],
  identity_index: [
    "alter table identity_index replica identity using index identity_index_at",
    "INDEX public.identity_index_at",
  ],
  storage: ["alter table storage alter b set storage external", "TABLE public.storage"],
  compression: ["alter table compression alter b set compression lz4", "TABLE public.compression"],
  statistics: ["alter table statistics alter b set statistics 7", "TABLE public.statistics"],
  distinctness: ["alter table distinctness alter b set (n_distinct = 5)", "TABLE public.distinctness"],
  index_statistics: [
    "alter index index_statistics_at alter column 1 set statistics 7",
    "INDEX public.index_statistics_at",
  ],
  index_options: ["alter index index_options_at set (fillfactor = 50)", "INDEX public.index_options_at"],
  extended: ["alter statistics extended_both set statistics 7", "STATISTICS public.extended_both"],
  secured: ["alter table secured enable row level security", "ROW SECURITY public.secured"],
  forced: ["alter table forced force row level security", "TABLE public.forced"],
  clustered: ["alter table clustered cluster on clustered_at", "INDEX public.clustered_at"],
  unlogged: ["alter table unlogged set unlogged", "TABLE public.unlogged"],
  triggered: ["alter table triggered disable trigger no", "TRIGGER public.triggered no"],
  typed: ["alter table typed not of", "TABLE public.typed"],
  granted: ["grant select on granted to public", "ACL public.TABLE granted"],
  validated: [
    "alter table validated validate constraint old",
    "CHECK CONSTRAINT public.validated old",
    "TABLE public.validated",
  ],
};

const INDEXED = /index|extended|clustered/;

function tableSql(name: string, tablespace: string): string {
  const inPlace = name === "place" ? ` tablespace ${tablespace}` : "";
  switch (name) {
    case "method":
      return "create table method (a int) using other;";
    case "view":
      return "create materialized view view using other as select 1 as a;";
    case "typed":
      return "create type kind as (a int, b text); create table typed of kind;";
  }
  const index = INDEXED.test(name) && name !== "extended" ? `create unique index ${name}_at on ${name}` : "";
  const key = name === "index_statistics" ? "((a + 1))" : "(a)";
  return [
    `create table ${name} (a int not null, b text)${inPlace};`,
    index === "" ? "" : `${index} ${key}${name === "index_place" ? ` tablespace ${tablespace}` : ""};`,
    name === "extended" ? "create statistics extended_both on a, b from extended;" : "",
    name === "triggered"
      ? "create trigger no before update on triggered for each row execute function suppress_redundant_updates_trigger();"
      : "",
    name === "validated" ? "alter table validated add constraint old check (a > 0) not valid;" : "",
  ].join("\n");
}

test("everything that is set of a table, index or column is told when it differs", async () => {
  const tablespace = uniqueName("place");
  // Beside the server's data, which takes no folder of its own.
  const server = new URL(clusterUrl());
  server.searchParams.set("options", "-c allow_in_place_tablespaces=on");
  await runSql(server.href, `create tablespace ${tablespace} location ''`);
  try {
    const tables = Object.keys(CHANGES).map((name) => tableSql(name, tablespace));
    await using subject = await backedUp({
      sql: `create access method other type table handler heap_tableam_handler;
        ${tables.join("\n")} create table untouched (a int);`,
      backup: ["--kind", "snapshot"],
    });
    const place = ["--url", subject.live.url, "--repository", subject.repository];
    const diff = async (...args: string[]): Promise<DiffJson> => {
      const result = await runCli(["diff", ...args, ...place, "--json"]);
      expect(result.code, result.stderr).toBe(0);
      return DiffJson.parse(jsonOf(result));
    };
    expect(await diff(subject.id, "live")).toMatchObject({
      definitions: { onlyFirst: [], onlySecond: [], changed: [] },
    });
    for (const [change] of Object.values(CHANGES)) await subject.live.query(change);
    const wanted = Object.values(CHANGES)
      .flatMap(([, ...told]) => told)
      .toSorted();
    const later = await subject.backup("--kind", "snapshot");
    for (const other of ["live", later]) {
      const { equal, definitions } = await diff(subject.id, other);
      expect(equal).toBe(false);
      const { onlyFirst, onlySecond, changed } = definitions ?? {
        onlyFirst: [],
        onlySecond: [],
        changed: [],
      };
      expect([...onlyFirst, ...onlySecond, ...changed].toSorted()).toEqual(wanted);
    }
  } finally {
    await runSql(clusterUrl(), `drop tablespace ${tablespace}`);
  }
});
