import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type FreshDatabase,
  clusterUrl,
  freshDatabase,
  runSql,
  uniqueName,
} from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { resolveConnection } from "./connection.ts";
import {
  applyProperties,
  compareProperties,
  createDatabase,
  type Properties,
  readProperties,
  settingSql,
} from "./properties.ts";
import { connect, quoteIdentifier, type Session } from "./session.ts";

async function admin(user?: string): Promise<Session> {
  const runtime = testRuntime();
  const url = new URL(clusterUrl());
  if (user !== undefined) url.username = user;
  return await connect(runtime, await resolveConnection(runtime, url.href, noAbort()), noAbort());
}

interface Roles extends AsyncDisposable {
  readonly names: readonly string[];
}

/** Roles of one test's own, whose names need quotes. */
async function freshRoles(count: number, options = ""): Promise<Roles> {
  const names = Array.from({ length: count }, () => uniqueName('Role "q" '));
  const each = (sql: (role: string) => string): string => names.map(quoteIdentifier).map(sql).join("; ");
  await runSql(
    clusterUrl(),
    each((role) => `create role ${role} ${options}`),
  );
  return {
    names,
    [Symbol.asyncDispose]: async () => {
      await runSql(
        clusterUrl(),
        each((role) => `drop owned by ${role}; drop role ${role}`),
      );
    },
  };
}

async function propertiesOf(session: Session, name: string): Promise<Properties> {
  const properties = await readProperties(session, name);
  if (properties === null) throw new Error(`no database ${name}`);
  return properties;
}

/** Makes a database by another's properties; what could not be given, and how the two differ. */
async function copyOf(
  session: Session,
  properties: Properties,
): Promise<
  { leftOut: string[]; differences: string[]; properties: Properties; name: string } & AsyncDisposable
> {
  const name = uniqueName("copy");
  await createDatabase(session, name, properties);
  const leftOut = await applyProperties(session, name, properties);
  const made = await propertiesOf(session, name);
  return {
    name,
    leftOut,
    properties: made,
    differences: compareProperties(properties, made),
    [Symbol.asyncDispose]: async () => {
      await runSql(clusterUrl(), `drop database ${name} with (force)`);
    },
  };
}

describe("a round trip", () => {
  test("brings everything back that belongs to a database", async () => {
    await using roles = await freshRoles(3);
    const [owner, reader, grantor] = roles.names.map(quoteIdentifier);
    await using database = await freshDatabase();
    const name = quoteIdentifier(database.name);
    await runSql(
      clusterUrl(),
      `alter database ${name} set search_path = "$user", "A, b", 'it''s "so"', public;
       alter database ${name} set work_mem = '4MB';
       alter database ${name} set "TimeZone" = 'Europe/Amsterdam';
       alter database ${name} set datestyle = 'ISO, DMY';
       alter database ${name} set "app.motto" = E'back\\\\slash, ''quote'' = \\n end';
       alter database ${name} set temp_tablespaces = '';
       alter role ${reader} in database ${name} set search_path = reporting, public;
       alter role ${reader} in database ${name} set statement_timeout = '5min';
       alter database ${name} connection limit 17;
       comment on database ${name} is E'it''s "the"\\n\\\\ live one ✓';
       revoke temporary on database ${name} from public;
       grant connect on database ${name} to public;
       grant create, temporary on database ${name} to ${reader};
       grant connect on database ${name} to ${grantor} with grant option;
       alter database ${name} owner to ${owner}`,
    );
    await using session = await admin();
    const before = await propertiesOf(session, database.name);
    expect(before).toMatchObject({
      owner: roles.names[0],
      encoding: "UTF8",
      localeProvider: "libc",
      connectionLimit: 17,
      comment: 'it\'s "the"\n\\ live one ✓',
    });
    expect(before.settings).toHaveLength(8);
    expect(before.settings).toContainEqual({
      role: roles.names[1],
      assignment: "search_path=reporting, public",
    });
    expect(before.grants).toContainEqual({ grantee: null, privilege: "CONNECT", grantable: false });
    expect(before.grants).toContainEqual({
      grantee: roles.names[2],
      privilege: "CONNECT",
      grantable: true,
    });
    await using copy = await copyOf(session, before);
    expect(copy.leftOut).toEqual([]);
    expect(copy.properties).toEqual(before);
    expect(copy.differences).toEqual([]);
  });

  test("leaves the defaults as they are", async () => {
    await using database = await freshDatabase();
    await using session = await admin();
    const before = await propertiesOf(session, database.name);
    expect(before).toMatchObject({ grants: null, settings: [], comment: null, connectionLimit: -1 });
    await using copy = await copyOf(session, before);
    expect(copy.properties).toEqual(before);
  });

  test("keeps encoding and locale", async () => {
    const name = uniqueName("latin");
    await runSql(
      clusterUrl(),
      `create database ${name} template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'`,
    );
    try {
      await using session = await admin();
      const before = await propertiesOf(session, name);
      expect(before).toMatchObject({ encoding: "LATIN1", collate: "C", ctype: "C", locale: null });
      await using copy = await copyOf(session, before);
      expect(copy.properties).toEqual(before);
    } finally {
      await runSql(clusterUrl(), `drop database ${name}`);
    }
  });

  test("keeps an ICU locale", async () => {
    const name = uniqueName("icu");
    await runSql(
      clusterUrl(),
      `create database ${name} template template0 locale_provider icu icu_locale 'de-AT' locale 'C'`,
    );
    try {
      await using session = await admin();
      const before = await propertiesOf(session, name);
      expect(before).toMatchObject({ localeProvider: "icu", locale: "de-AT" });
      await using copy = await copyOf(session, before);
      expect(copy.properties).toEqual(before);
    } finally {
      await runSql(clusterUrl(), `drop database ${name}`);
    }
  });

  test("keeps what was granted to the role that restores, which does not become the owner's", async () => {
    await using roles = await freshRoles(2);
    const [owner, reader] = roles.names.map(quoteIdentifier);
    await using database = await freshDatabase();
    await runSql(
      clusterUrl(),
      `alter database ${database.name} owner to ${owner};
       revoke all on database ${database.name} from public, ${owner};
       grant connect on database ${database.name} to ${owner}, ${reader};
       grant create on database ${database.name} to current_user`,
    );
    await using session = await admin();
    const before = await propertiesOf(session, database.name);
    await using copy = await copyOf(session, before);
    expect(copy.differences).toEqual([]);
    expect(copy.properties.grants).toEqual(before.grants);
  });

  test("counts a privilege once that two roles gave", async () => {
    await using roles = await freshRoles(3);
    const [owner, grantor, reader] = roles.names.map(quoteIdentifier);
    await using database = await freshDatabase();
    await runSql(
      clusterUrl(),
      `alter database ${database.name} owner to ${owner};
       grant connect on database ${database.name} to ${grantor} with grant option;
       grant connect on database ${database.name} to ${reader};
       set role ${grantor};
       grant connect on database ${database.name} to ${reader};
       reset role`,
    );
    await using session = await admin();
    const before = await propertiesOf(session, database.name);
    expect(before.grants?.filter(({ grantee }) => grantee === roles.names[2])).toHaveLength(1);
    await using copy = await copyOf(session, before);
    expect(copy.differences).toEqual([]);
  });
});

describe("what cannot be given", () => {
  async function plain(session: Session, database: FreshDatabase): Promise<Properties> {
    return await propertiesOf(session, database.name);
  }

  test("is left out and told: roles and settings that the server does not know", async () => {
    await using database = await freshDatabase();
    await using session = await admin();
    await using copy = await copyOf(session, {
      ...(await plain(session, database)),
      owner: "gone",
      settings: [
        { role: "gone", assignment: "work_mem=4MB" },
        { role: null, assignment: "vacuum_defer_cleanup_age_of_old=3" },
        { role: null, assignment: "maintenance_work_mem=plenty" },
        { role: null, assignment: "work_mem=8MB" },
      ],
      grants: [
        { grantee: "gone", privilege: "CONNECT", grantable: false },
        { grantee: null, privilege: "CONNECT", grantable: false },
      ],
    });
    expect(copy.leftOut).toEqual([
      "setting work_mem of gone: no such role",
      "setting vacuum_defer_cleanup_age_of_old: this server does not know it",
      "setting maintenance_work_mem: this server does not take its value",
      "CONNECT for gone: no such role",
      "owner gone: no such role",
    ]);
    expect(copy.properties.settings).toEqual([{ role: null, assignment: "work_mem=8MB" }]);
    expect(copy.properties.grants).toContainEqual({ grantee: null, privilege: "CONNECT", grantable: false });
  });

  test("is left out and told: what the session's role may not do", async () => {
    const user = uniqueName("maker");
    await runSql(clusterUrl(), `create role ${user} login createdb`);
    try {
      await using database = await freshDatabase();
      await using privileged = await admin();
      const properties = await plain(privileged, database);
      await using session = await admin(user);
      await using copy = await copyOf(session, {
        ...properties,
        comment: "from elsewhere",
        settings: [{ role: null, assignment: "log_statement=all" }],
      });
      expect(copy.leftOut).toEqual([
        `setting log_statement: ${user} may not give it`,
        `owner postgres: ${user} may not give it`,
      ]);
      expect(copy.properties).toMatchObject({ owner: user, comment: "from elsewhere", settings: [] });
    } finally {
      await runSql(clusterUrl(), `drop role ${user}`);
    }
  });

  test("a privilege that no version knows is refused before it reaches the server", async () => {
    await using database = await freshDatabase();
    await using session = await admin();
    const properties = await plain(session, database);
    const grants = [{ grantee: null, privilege: "ALL; drop table t", grantable: false }];
    await expect(applyProperties(session, database.name, { ...properties, grants })).rejects.toMatchObject({
      code: "unexpected",
    });
  });
});

test("a database that is not there has no properties", async () => {
  await using session = await admin();
  expect(await readProperties(session, "no such database")).toBeNull();
});

test("compareProperties names every property that differs, and no order", async () => {
  await using database = await freshDatabase();
  await using session = await admin();
  const one = await propertiesOf(session, database.name);
  const settings = [
    { role: null, assignment: "work_mem=4MB" },
    { role: "ada", assignment: "work_mem=4MB" },
  ];
  expect(compareProperties({ ...one, settings }, { ...one, settings: settings.toReversed() })).toEqual([]);
  expect(
    compareProperties(one, {
      ...one,
      owner: "ada",
      encoding: "LATIN1",
      collate: "x",
      ctype: "x",
      localeProvider: "icu",
      locale: "de",
      icuRules: "x",
      connectionLimit: 3,
      comment: "x",
      settings,
      grants: [],
    }),
  ).toHaveLength(11);
  expect(compareProperties(one, { ...one, grants: [] })).toEqual(["database grants: null before, [] after"]);
});

describe("settingSql", () => {
  test.each([
    ["work_mem=4MB", `"work_mem" = '4MB'`],
    ['search_path=a, "B, c"', `"search_path" = 'a', 'B, c'`],
    ['search_path="$user", public', `"search_path" = '$user', 'public'`],
    ['search_path=""', `"search_path" = ''`],
    ["search_path=", `"search_path" = ''`],
    ["DateStyle=ISO, DMY", `"DateStyle" = 'ISO, DMY'`],
    ["app.a=b=c", `"app"."a" = 'b=c'`],
  ])("%s", (assignment, sql) => {
    expect(settingSql(assignment)).toBe(sql);
  });

  test("refuses what is no assignment", () => {
    expect(() => settingSql("work_mem")).toThrow("no =");
    expect(() => settingSql("=4MB")).toThrow("no =");
  });

  test("what was set is what comes back, whatever the value", async () => {
    await using database = await freshDatabase();
    await using session = await admin();
    const assignments = async (): Promise<string[]> =>
      (await propertiesOf(session, database.name)).settings.map(({ assignment }) => assignment);
    const text = fc
      .oneof(
        fc.string({ unit: "grapheme", maxLength: 20 }),
        fc.string({
          unit: fc.constantFrom("'", '"', "\\", ",", " ", "=", "$", "A", "a", "é", "\n"),
          maxLength: 12,
        }),
      )
      .filter((value) => !value.includes("\0") && value.isWellFormed());
    const name = text.filter((value) => Buffer.byteLength(value) <= 63);
    const alter = `alter database ${quoteIdentifier(database.name)}`;
    const literal = (value: string): string => `E'${value.replaceAll(/['\\]/g, "\\$&")}'`;
    await fc.assert(
      fc.asyncProperty(fc.array(name, { minLength: 1, maxLength: 4 }), text, async (path, value) => {
        await session.query(`${alter} reset all`);
        await session.query(`${alter} set search_path = ${path.map(literal).join(", ")}`);
        await session.query(`${alter} set app.value = ${literal(value)}`);
        const before = await assignments();
        expect(before[1]).toBe(`app.value=${value}`);
        await session.query(`${alter} reset all`);
        for (const assignment of before) await session.query(`${alter} set ${settingSql(assignment)}`);
        expect(await assignments()).toEqual(before);
      }),
      { numRuns: 150 },
    );
  });
});
