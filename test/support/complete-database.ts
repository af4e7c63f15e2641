import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Roles that `completeDatabaseSql` gives things to; the cluster must be the test's own. */
export const COMPLETE_ROLES_SQL = `
create role ada; create role grace; create role reader; create role "Röle ""x"" %";
set allow_in_place_tablespaces = on; create tablespace fast location '';
`;

/** Control file and script of an extension with a configuration table, a sequence and a filtered one. */
export const CONFIGURED_EXTENSION = {
  name: "handled_configured",
  files: {
    "handled_configured.control": "default_version = '1'\nrelocatable = false\nschema = configured\n",
    "handled_configured--1.sql": `
      create table configured.setting (name text primary key, value text, builtin bool not null default false);
      insert into configured.setting values ('given', 'by the extension', true);
      create sequence configured.ticket;
      create table configured.whole (id int);
      create table configured.untouched (id int);
      insert into configured.untouched values (1);
      create function configured.answer() returns int language sql as 'select 42';
      select pg_catalog.pg_extension_config_dump('configured.setting', 'where not builtin');
      select pg_catalog.pg_extension_config_dump('configured.whole', '');
      select pg_catalog.pg_extension_config_dump('configured.ticket', '');
    `,
  },
} as const;

/** Every built-in type whose values can be stored, with values that conversion to text and back could lose. */
const TYPED_VALUES: Readonly<Record<string, readonly string[]>> = {
  smallint: ["-32768", "32767"],
  integer: ["-2147483648", "2147483647"],
  bigint: ["-9223372036854775808", "9223372036854775807"],
  real: ["NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1", "1.1754944e-38"],
  "double precision": [
    "NaN",
    "Infinity",
    "-Infinity",
    "-0",
    "5e-324",
    "1.7976931348623157e308",
    "0.1",
    "1e23",
  ],
  numeric: [
    "NaN",
    "Infinity",
    "-Infinity",
    "0.000",
    "-0.0",
    "1e131071",
    "1e-16383",
    "123456789012345678901234567890.10",
  ],
  "numeric(10,3)": ["1.5", "-9999999.999"],
  "numeric(3,-2)": ["12345", "-99900"],
  money: ["-92233720368547758.08", "92233720368547758.07", "0.1"],
  boolean: ["true", "false"],
  text: [
    "",
    "\\.",
    "\\N",
    "tab\there",
    "line\nbreak",
    "\r\n",
    "\b\f\v\u0001\u007f",
    "Ünïcødé 名前 🐘",
    "''",
    "\\x00",
    " ",
    "\\",
    "\\.\n\\.\n",
    "-- PostgreSQL database dump complete",
  ],
  "varchar(5)": ["", "abcde"],
  "char(5)": ["", "ab"],
  '"char"': ["a", "", "\\", "\n"],
  name: ["", "x".repeat(63), "Ünï"],
  bytea: ["", "\\x00", "\\x5c2e0a", "\\x5c4e", "\\xff00fe0a0d09"],
  date: ["4713-01-01 BC", "5874897-12-31", "infinity", "-infinity", "0001-01-01", "0001-12-31 BC"],
  time: ["00:00:00", "24:00:00", "23:59:59.999999"],
  "time(2)": ["12:00:00.12"],
  timetz: ["00:00:00+15:59", "24:00:00-15:59", "12:34:56.7-00:00:01"],
  timestamp: [
    "4713-01-01 00:00:00 BC",
    "294276-12-31 23:59:59.999999",
    "infinity",
    "-infinity",
    "1999-12-31 24:00:00",
  ],
  timestamptz: [
    "4713-01-01 00:00:00+00 BC",
    "294276-12-31 23:59:59.999999+00",
    "infinity",
    "-infinity",
    "1883-11-18 12:03:58-05:50:36",
  ],
  interval: [
    "1 year -1 day",
    "-1 year +1 day -00:00:01",
    "-00:00:00.000001",
    "178000000 years",
    "1 mon -1 days +00:00:00.1",
    "0",
    "-1-2 +3 -4:05:06.7",
  ],
  "interval day to second(3)": ["1 day 00:00:00.123"],
  uuid: ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
  json: ["null", '{"a": 1,  "a": 2}', '"\\u0000"', "[]", ' {"b":\n[1.0e5]} '],
  jsonb: ["null", '{"a": {"b": [1, "x", null, 1.10]}}', '"\\\\."', "[]", "{}", "1e400"],
  jsonpath: ["$", '$.a[*] ? (@.b == "x\\n")', "strict $.a.type()"],
  xml: ["<a b='c'>&lt;</a>", "text <b/> more", ""],
  bit: ["1"],
  "bit(5)": ["10101"],
  varbit: ["", "1", "101010101"],
  inet: ["0.0.0.0", "255.255.255.255/31", "::", "2001:db8::1/64", "::ffff:1.2.3.4"],
  cidr: ["0.0.0.0/0", "10.0.0.0/8", "::/0", "2001:db8::/32"],
  macaddr: ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"],
  macaddr8: ["00:00:00:00:00:00:00:00", "08:00:2b:01:02:03:04:05"],
  point: ["(1,2)", "(NaN,Infinity)", "(-0,1e-300)"],
  line: ["{1,-1,0}", "{0,1,1e300}"],
  lseg: ["[(0,0),(1,1)]"],
  box: ["(1,1),(0,0)", "(Infinity,1),(0,-Infinity)"],
  path: ["[(0,0),(1,1)]", "((0,0),(1,1),(2,0))"],
  polygon: ["((0,0),(1,1),(2,0))"],
  circle: ["<(0,0),0>", "<(1,2),Infinity>"],
  tsvector: ["", "a:1A,2B 'b c':3 'it''s' 'back\\\\slash'"],
  tsquery: ["", "'a' & !'b' | 'c':*AB <-> 'd e'"],
  pg_lsn: ["0/0", "FFFFFFFF/FFFFFFFF"],
  pg_snapshot: ["10:20:10,14,15"],
  txid_snapshot: ["10:20:10,14,15"],
  oid: ["0", "4294967295"],
  xid: ["0", "4294967295"],
  xid8: ["0", "18446744073709551615"],
  cid: ["0", "4294967295"],
  tid: ["(0,0)", "(4294967295,65535)"],
  regclass: ["pg_catalog.pg_class", 'kinds."odd "" class"', "-"],
  regproc: ["pg_catalog.now", "kinds.add_one"],
  regprocedure: ["pg_catalog.lower(text)", "kinds.add_one(integer)"],
  regoper: ["pg_catalog.|/", "kinds.<%>"],
  regoperator: ["pg_catalog.+(integer,integer)", "kinds.<%>(integer,integer)"],
  regtype: ["integer", "timestamp with time zone", "kinds.mood", "kinds.mood[]"],
  regrole: ["ada", '"Röle ""x"" %"'],
  regnamespace: ["pg_catalog", "kinds"],
  regcollation: ['pg_catalog."C"', "kinds.odd_order"],
  regconfig: ["pg_catalog.simple", "kinds.plain"],
  regdictionary: ["pg_catalog.simple", "kinds.stops"],
  aclitem: ["ada=arwdDxt/grace", "=r/ada", '"Röle ""x"" %"=r*/ada'],
  int2vector: ["", "1 2 3"],
  oidvector: ["", "1 4294967295"],
  int4range: ["empty", "[1,5)", "(,)", "[3,)"],
  int8range: ["[-9223372036854775808,9223372036854775807)"],
  numrange: ["[1.10,2.0]", "(1,NaN)", "[-Infinity,Infinity]"],
  daterange: ["[infinity,)", "[2024-01-01,2024-02-01)"],
  tsrange: ['["2024-01-01 00:00:00","2024-01-02 00:00:00"]'],
  tstzrange: ['[,"2024-01-02 00:00:00+14")'],
  int4multirange: ["{}", "{[1,5),[7,)}"],
  nummultirange: ["{(,1.50),[2,2]}"],
  datemultirange: ["{[2024-01-01,2024-02-01)}"],
  "text[]": ["{}", '{NULL,"NULL",""}', '{"a,b","{c}","d\\"e","\\\\."}', "[2:3][-1:0]={{a,b},{c,d}}"],
  "integer[]": ["{}", "{{{1,2},{3,4}}}", "[0:1]={7,NULL}"],
  "bytea[]": ['{"\\\\x00","\\\\x5c"}'],
  "jsonb[]": ['{"{\\"a\\": [1, 2]}",null}'],
  "kinds.mood": ["sad", "so so", "happy, really"],
  "kinds.mood[]": ['{sad,"so so",NULL}'],
  "kinds.maybe_age": ["0", "149"],
  "kinds.code": ["abc", 'ab ,"('],
  "kinds.pair": ["(,)", '(1,"a,b""(c)")', '(-2147483648,"")'],
  "kinds.nested": ['("(1,""x,y"")","{""(2,z)""}")', "(,)"],
  "kinds.pair[]": ['{"(1,a)","(,)"}'],
  "kinds.lapse": ["[1.5,2.5)", "empty", "(,-0]"],
  "kinds.lapses": ["{[1.5,2.5),(3,)}"],
};

function typedTables(): string {
  return Object.entries(TYPED_VALUES)
    .map(([type, values], index) => {
      const literals = values.map((value) => `('${value.replaceAll("'", "''")}')`);
      return `create table kinds.typed_${index} (v ${type});
        insert into kinds.typed_${index} values ${[...literals, "(null)"].join(", ")};`;
    })
    .join("\n");
}

/**
 * One of everything that a database can hold and `pg_dump` brings back. Needs a superuser, `COMPLETE_ROLES_SQL`, and
 * `CONFIGURED_EXTENSION` installed.
 */
export function completeDatabaseSql(): string {
  const objects = readFileSync(join(import.meta.dirname, "complete-database.sql"), "utf8");
  return objects.replace("-- [typed tables]", typedTables);
}
