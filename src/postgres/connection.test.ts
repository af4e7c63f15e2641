import { chmod, mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import {
  type ConnectionSettings,
  describeConnection,
  pinnedTo,
  resolveConnection,
  toolEnvironment,
  withDatabase,
} from "./connection.ts";

async function resolve(source: string, env: Record<string, string> = {}): Promise<ConnectionSettings> {
  return await resolveConnection(testRuntime({ env }), source, noAbort());
}

const summary = (settings: ConnectionSettings): string =>
  `${settings.hosts.map(({ host, port, password }) => `${host} ${port} ${password ?? "-"}`).join(" | ")} ${settings.user} ${settings.database} ${settings.sslMode}`;

describe("forms that libpq reads", () => {
  test.each([
    ["postgresql://u:p@h:1/d", "h 1 p u d prefer"],
    ["postgres://u@h/d", "h 5432 - u d prefer"],
    ["postgresql://u:p%40%3A%2F%25%3F@h/d", "h 5432 p@:/%? u d prefer"],
    ["postgresql://u:a:b?c#d@h/d", "h 5432 a:b?c#d u d prefer"],
    ["postgresql://u:@h/d", "h 5432 - u d prefer"],
    ["postgresql://u%40corp@h/d%20b", "h 5432 - u@corp d b prefer"],
    ["postgresql://u:p@h1:1,h2:2/d", "h1 1 p | h2 2 p u d prefer"],
    ["postgresql://u@h1,h2:2/d", "h1 5432 - | h2 2 - u d prefer"],
    ["postgresql://u@[::1]:7/d", "::1 7 - u d prefer"],
    ["postgresql://u@[2001:db8::1],h/d", "2001:db8::1 5432 - | h 5432 - u d prefer"],
    ["postgresql://u@%2Frun%2Fpg:7/d", "/run/pg 7 - u d prefer"],
    ["postgresql:///d?host=/run/pg&user=u&port=7", "/run/pg 7 - u d prefer"],
    ["postgresql://h/d?user=u&password=p%26q&sslmode=require", "h 5432 p&q u d require"],
    ["postgresql://u@h?dbname=d&ssl=true", "h 5432 - u d require"],
    ["postgresql://u@h/?connect_timeout=3&application_name=x&channel_binding=require", "h 5432 - u u prefer"],
    ["postgresql://u@h/d?sslrootcert=system", "h 5432 - u d verify-full"],
    ["host=h port=1 user=u dbname=d password=p sslmode=disable", "h 1 p u d disable"],
    ["  host = h   user='u'\tdbname='my db' password='it\\'s \\\\ a'  ", "h 5432 it's \\ a u my db prefer"],
    ["host=h user=u dbname=d password=a\\ b\\'c", "h 5432 a b'c u d prefer"],
    ["host=h user=u dbname=d password=''", "h 5432 - u d prefer"],
    ["host=h1,h2 port=9 user=u dbname=d", "h1 9 - | h2 9 - u d prefer"],
    ["host=h1,h2 port=1,2 user=u dbname=d", "h1 1 - | h2 2 - u d prefer"],
    ["host=name hostaddr=192.0.2.1 user=u dbname=d", "192.0.2.1 5432 - u d prefer"],
    ["dbname=d host=h user=u keepalives=1 gssencmode=disable options='-c a=b'", "h 5432 - u d prefer"],
  ])("%s", async (source, expected) => {
    expect(summary(await resolve(source))).toBe(expected);
  });

  test("nothing at all means the defaults: socket folder, system user, database of the user's name", async () => {
    const settings = await resolve("");
    const { username } = userInfo();
    expect(settings).toMatchObject({ user: username, database: username, connectTimeout: 10 });
    expect(settings.hosts[0]?.host).toMatch(/^\/(var\/run\/postgresql|tmp)$/);
    expect(settings.targetSessionAttrs).toBe("any");
  });

  test("any user, password and database survive a URL and a keyword string", async () => {
    const text = fc.string({ minLength: 1, unit: "grapheme" }).filter((s) => !s.includes("\0"));
    await fc.assert(
      fc.asyncProperty(text, text, text, async (user, password, database) => {
        const url = `postgresql://${[user, password].map(encodeURIComponent).join(":")}@h/${encodeURIComponent(database)}`;
        const quote = (value: string): string => `'${value.replaceAll(/[\\']/g, "\\$&")}'`;
        const keywords = `user=${quote(user)} password=${quote(password)} dbname=${quote(database)} host=h`;
        for (const source of [url, keywords]) {
          const settings = await resolve(source);
          expect(settings).toMatchObject({ user, database, hosts: [{ host: "h", password }] });
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("what libpq refuses is a usage error that shows no secret", () => {
  test.each([
    "postgresql://u:sec@ret@h/d",
    "postgresql://u:sec/ret@h/d",
    "postgresql://u:12/secret@h/d",
    "postgresql://u:12/sec?secret=ret@h/d",
    "postgresql://u:12/a?secret@h/d",
    "postgresql://u:secret%@h/d",
    "postgresql://u:secret%zz@h/d",
    "postgresql://u:secret%ff@h/d",
    "postgresql://u:secret%00@h/d",
    "postgresql://u:secret@h:x/d",
    "postgresql://u:secret@h:99999/d",
    "postgresql://u:secret@[::1/d",
    "postgresql://u@h/d?password=a&secret=b",
    "postgresql://u:secret@h/d?sslmode=maybe",
    "postgresql://u:secret@h/d?sslmode",
    "postgresql://u:secret@h/d?target_session_attrs=master",
    "postgresql://u:secret@h/d?connect_timeout=soon",
    "postgresql://u:secret@h/d?sslrootcert=system&sslmode=require",
    "postgresql://u:secret@h/d?sslcrl=/x",
    "postgresql://u:secret@h1:1,h2:2/d?port=1,2,3",
    "postgresql://u:secret@h/d?hostaddr=nowhere",
    "postgresql://u:secret@h/d?hostaddr=192.0.2.1&sslmode=verify-full",
    "postgresql://u:secret@h/d?constructor=1",
    "mysql://u:secret@h/d?a=b",
    "jdbc:postgresql://h/d?user=u&password=secret",
    "secret",
    "host=h password=my secret",
    "host=h password=my secret=x",
    "host=h password='secret",
    "host=h password=secret ''",
    "host=h password=secret port=x",
    "= secret",
  ])("%s", async (source) => {
    const error = await resolve(source).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "AppError", code: "usage" });
    const { message, hint, cause } = error as { message: string; hint?: string; cause?: unknown };
    expect(`${message} ${hint} ${String(cause)}`).not.toMatch(/secret|\bsec\b|\bret\b/);
  });

  test("an unencoded character in the password is answered with how to encode it", async () => {
    await expect(resolve("postgresql://u:p@ss@h/d")).rejects.toMatchObject({
      hint: expect.stringContaining("%40"),
    });
    await expect(resolve("postgresql://u:p/ss@h/d")).rejects.toMatchObject({
      hint: expect.stringContaining("%2F"),
    });
  });

  test("a mistyped parameter is named, with the one that was meant", async () => {
    await expect(resolve("postgresql://u@h/d?sslmod=require")).rejects.toMatchObject({
      message: 'read the connection URL: unknown parameter "sslmod"',
      hint: "did you mean `sslmode`?",
    });
    await expect(resolve("host=h usr=u")).rejects.toMatchObject({ hint: "did you mean `user`?" });
  });
});

describe("environment, service file and password file", () => {
  test("the environment fills what the string leaves open", async () => {
    const env = {
      PGHOST: "h1,h2",
      PGPORT: "1,2",
      PGUSER: "u",
      PGPASSWORD: "secret-1",
      PGDATABASE: "d",
      PGSSLMODE: "require",
      PGSSLROOTCERT: "/r",
      PGSSLCERT: "/c",
      PGSSLKEY: "/k",
      PGOPTIONS: "-c a=b",
      PGCONNECT_TIMEOUT: "3",
      PGTARGETSESSIONATTRS: "primary",
    };
    expect(await resolve("", env)).toEqual({
      hosts: [
        { host: "h1", port: 1, password: "secret-1" },
        { host: "h2", port: 2, password: "secret-1" },
      ],
      user: "u",
      database: "d",
      sslMode: "require",
      sslRootCert: "/r",
      sslCert: "/c",
      sslKey: "/k",
      options: "-c a=b",
      connectTimeout: 3,
      targetSessionAttrs: "primary",
    });
    expect(summary(await resolve("postgresql://x:y@z:9/w", env))).toBe("z 9 y x w require");
    // One host without a port takes the environment's.
    expect(summary(await resolve("postgresql://x@z/w", { PGPORT: "77" }))).toBe("z 77 - x w prefer");
  });

  test("a service gives what the string leaves open, and goes before the environment", async () => {
    await using home = await temporaryFolder();
    await writeFile(
      join(home.path, ".pg_service.conf"),
      "# ours\n[other]\nhost=wrong\n\n[ours]\nhost=sh\nport=7\r\n user=su\npassword= pass=word \nport=8\n[last]\nhost=wrong\n",
    );
    const env = { HOME: home.path, PGHOST: "eh", PGDATABASE: "ed" };
    expect(summary(await resolve("service=ours", env))).toBe("sh 7  pass=word su ed prefer");
    expect(summary(await resolve("", { ...env, PGSERVICE: "ours" }))).toBe("sh 7  pass=word su ed prefer");
    expect(summary(await resolve("postgresql://me@h/?service=ours", env))).toBe(
      "h 7  pass=word me ed prefer",
    );
  });

  test("the service file is found by PGSERVICEFILE and in PGSYSCONFDIR", async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "mine"), "[a]\nhost=ha\nuser=u\n");
    await writeFile(join(folder.path, "pg_service.conf"), "[b]\nhost=hb\nuser=u\n");
    const env = { PGSERVICEFILE: join(folder.path, "mine"), PGSYSCONFDIR: folder.path };
    expect((await resolve("service=a", env)).hosts[0]?.host).toBe("ha");
    expect((await resolve("service=b", env)).hosts[0]?.host).toBe("hb");
    await expect(resolve("service=c", env)).rejects.toMatchObject({
      code: "usage",
      message: 'read service "c": no such service',
      hint: expect.stringContaining(join(folder.path, "mine")),
    });
  });

  test.each(["nonsense secret-word", "sslmodus=x", "service=b", "password"])(
    "a service file with the line %s is refused with file and line, without its text",
    async (line) => {
      await using folder = await temporaryFolder();
      const path = join(folder.path, "services");
      await writeFile(path, `[a]\nhost=h\n${line}\n`);
      const failure = resolve("service=a", { PGSERVICEFILE: path });
      await expect(failure).rejects.toMatchObject({
        code: "usage",
        message: expect.stringContaining(`${path}, line 3`),
      });
      await expect(failure).rejects.not.toMatchObject({ message: expect.stringContaining("secret-word") });
    },
  );

  test("the password file is searched by host, port, database and user, each host for itself", async () => {
    await using home = await temporaryFolder();
    const path = join(home.path, ".pgpass");
    await writeFile(
      path,
      "# comment\nshort:line\nh1:1:d:u:first\nh2:*:*:u:se\\:co\\\\nd:rest\r\nlocalhost:*:*:*:socket\n*:*:*:u:any\n",
    );
    await chmod(path, 0o600);
    const env = { HOME: home.path };
    expect(summary(await resolve("postgresql://u@h1:1,h2:2,h3/d", env))).toBe(
      "h1 1 first | h2 2 se:co\\nd | h3 5432 any u d prefer",
    );
    expect((await resolve("dbname=d user=v", env)).hosts[0]?.password).toBe("socket");
    expect((await resolve("postgresql://v@h1/d", env)).hosts[0]?.password).toBeUndefined();
    expect((await resolve("postgresql://u:own@h1:1/d", env)).hosts[0]?.password).toBe("own");
    expect((await resolve("postgresql://u@h1:1/d", { ...env, PGPASSWORD: "env" })).hosts[0]?.password).toBe(
      "env",
    );
    // The name, not the address, is looked up.
    expect((await resolve("host=h1 hostaddr=192.0.2.1 port=1 user=u dbname=d", env)).hosts[0]?.password).toBe(
      "first",
    );
  });

  test("a password file that others may read is left alone with a warning", async () => {
    await using home = await temporaryFolder();
    const path = join(home.path, "pass");
    await writeFile(path, "*:*:*:*:open-to-all\n");
    await chmod(path, 0o640);
    const runtime = testRuntime({ env: { PGPASSFILE: path } });
    const settings = await resolveConnection(runtime, "postgresql://u@h/d", noAbort());
    expect(settings.hosts[0]?.password).toBeUndefined();
    expect(runtime.warnings).toEqual([expect.stringContaining(`chmod 600 ${path}`)]);
  });

  test("certificates in ~/.postgresql are used as libpq would", async () => {
    await using home = await temporaryFolder();
    const folder = join(home.path, ".postgresql");
    await mkdir(folder);
    for (const name of ["root.crt", "postgresql.crt", "postgresql.key"])
      await writeFile(join(folder, name), "");
    expect(await resolve("postgresql://u@h/d", { HOME: home.path })).toMatchObject({
      sslRootCert: join(folder, "root.crt"),
      sslCert: join(folder, "postgresql.crt"),
      sslKey: join(folder, "postgresql.key"),
    });
  });

  test("every password learned is a known secret", async () => {
    await using home = await temporaryFolder();
    const path = join(home.path, ".pgpass");
    await writeFile(path, "*:*:*:*:from-pass-file\n");
    await chmod(path, 0o600);
    const runtime = testRuntime({ env: { HOME: home.path } });
    await resolveConnection(runtime, "postgresql://u@h/d", noAbort());
    await resolveConnection(runtime, "postgresql://u:from%40url@h/d", noAbort());
    expect(runtime.secrets.redact("from-pass-file from@url from%40url")).toBe("*** *** ***");
  });
});

describe("settings put to use", () => {
  test("describing shows where, never the password", async () => {
    const settings = await resolve("postgresql://u:secret@h1:1,[::1]:2/d");
    expect(describeConnection(settings)).toBe("u@h1:1,[::1]:2/d");
    expect(describeConnection(withDatabase(settings, "e"))).toBe("u@h1:1,[::1]:2/e");
    const [, second] = settings.hosts;
    expect(second).toBeDefined();
    if (second !== undefined) expect(describeConnection(pinnedTo(settings, second))).toBe("u@[::1]:2/d");
  });

  test("tools get our environment without any PG variable of it, plus exactly the settings", async () => {
    const env = {
      HOME: "/home/x",
      TMPDIR: "/scratch",
      PGSERVICE: "",
      PGCLIENTENCODING: "LATIN1",
      PGREQUIREAUTH: "none",
      LANG: "de_DE",
    };
    const runtime = testRuntime({ env: { ...env, PATH: "/bin" } });
    const settings = await resolveConnection(
      runtime,
      "postgresql://u:p%40@h:1/d?sslmode=verify-ca&sslrootcert=/ca&connect_timeout=4",
      noAbort(),
    );
    expect(toolEnvironment(runtime, settings)).toEqual({
      HOME: "/home/x",
      PATH: "/bin",
      TMPDIR: "/scratch",
      LANG: "de_DE",
      LC_ALL: "C",
      LANGUAGE: "C",
      PGAPPNAME: "handled",
      PGCONNECT_TIMEOUT: "4",
      PGDATABASE: "d",
      PGGSSENCMODE: "disable",
      PGHOST: "h",
      PGPASSWORD: "p@",
      PGPORT: "1",
      PGSSLMODE: "verify-ca",
      PGSSLROOTCERT: "/ca",
      PGTARGETSESSIONATTRS: "any",
      PGUSER: "u",
    });
  });
});
