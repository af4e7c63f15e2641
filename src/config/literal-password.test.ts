import { expect, test } from "vitest";
import { hasLiteralPassword } from "./literal-password.ts";

test.each([
  "postgresql://ada:hunter2@db/x",
  "postgres://ada:a%40b@h1:1,h2:2/x?sslmode=require",
  "postgresql://:hunter2@db/x",
  "postgresql://ada:${PW:-hunter2}@db/x",
  "postgresql://db/x?user=ada&password=hunter2",
  "host=db password=hunter2",
  "host=db password = 'a b'",
  "password=x host=${HOST}",
  "s3://key:secret@bucket/x",
  // A reference that is none is part of the password.
  "postgresql://ada:hunt${er@db/x",
])("%s holds a password", (url) => {
  expect(hasLiteralPassword(url)).toBe(true);
});

test.each([
  "postgresql://ada@db:5432/x",
  "postgresql://db:5432/x",
  "postgresql://ada:${PW}@db/x",
  "postgresql://db/x?password=${PW}&user=ada",
  "${DATABASE_URL}",
  "service=data",
  "host=db passfile=/root/.pgpass",
  "host=db password=${PW}",
  "host=db password='' user=ada",
  "/var/backups/handled",
])("%s holds none", (url) => {
  expect(hasLiteralPassword(url)).toBe(false);
});
