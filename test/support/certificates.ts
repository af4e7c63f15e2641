import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** An authority of one test's own, and a server certificate for `localhost` that it signed. */
export interface Certificates {
  /** Path of the authority's certificate, for `sslrootcert`. */
  readonly authority: string;
  /** Path of the certificate of an authority that signed nothing. */
  readonly stranger: string;
  /** For the server's data folder. */
  readonly files: Readonly<Record<"server.crt" | "server.key", string>>;
}

export async function makeCertificates(folder: string): Promise<Certificates> {
  const path = (name: string): string => join(folder, name);
  for (const name of ["authority", "stranger"]) {
    await openssl(
      "req",
      "-x509",
      "-new",
      ...newKey(path(`${name}.key`)),
      "-days",
      "2",
      "-subj",
      `/CN=${name}`,
      "-out",
      path(`${name}.crt`),
    );
  }
  await openssl(
    "req",
    "-new",
    ...newKey(path("server.key")),
    "-subj",
    "/CN=localhost",
    "-out",
    path("server.csr"),
  );
  await writeFile(path("names"), "subjectAltName=DNS:localhost\n");
  await openssl(
    "x509",
    "-req",
    "-in",
    path("server.csr"),
    "-CA",
    path("authority.crt"),
    "-CAkey",
    path("authority.key"),
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    path("names"),
    "-out",
    path("server.crt"),
  );
  return {
    authority: path("authority.crt"),
    stranger: path("stranger.crt"),
    files: {
      "server.crt": await readFile(path("server.crt"), "utf8"),
      "server.key": await readFile(path("server.key"), "utf8"),
    },
  };
}

function newKey(path: string): string[] {
  return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path];
}

async function openssl(...args: string[]): Promise<void> {
  await run("openssl", args);
}
