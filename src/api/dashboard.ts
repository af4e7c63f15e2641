import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { errorCode } from "../errors.ts";
import { setSecurityHeaders } from "./guard.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
// What a build names after what is in it, and so never changes.
const FOR_EVER = /^\/assets\//;
const NONCE = "__CSP_NONCE__";

interface File {
  readonly type: string;
  readonly body: Buffer;
  readonly zipped: Buffer;
  readonly tag: string;
}

/**
 * Answers with the files of the built dashboard, and with its page for every other address, since it finds its own way. All of
 * them are read once: no request leads to a path.
 * @param folder where they lie; undefined is returned where nothing was built
 */
export async function dashboardFrom(folder: string): Promise<RequestListener | undefined> {
  const files = await readFiles(folder);
  const page = files.get("/index.html")?.body.toString();
  if (page === undefined) return undefined;
  return (request, response) => {
    setSecurityHeaders(response);
    const { method = "", url = "" } = request;
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD", "content-type": "text/plain; charset=utf-8" });
      response.end("only GET and HEAD\n");
      return;
    }
    const path = url.split("?", 1)[0] ?? "";
    const file = path === "/index.html" ? undefined : files.get(path);
    if (file === undefined) {
      if (FOR_EVER.test(path)) {
        response.writeHead(404, { "content-type": "text/plain; charset=utf-8" });
        response.end("there is no such file\n");
        return;
      }
      const nonce = randomBytes(16).toString("base64");
      const body = page.replaceAll(NONCE, nonce);
      response.writeHead(200, {
        "content-type": "text/html; charset=utf-8",
        "content-length": Buffer.byteLength(body),
        "content-security-policy": policy(nonce),
      });
      response.end(method === "HEAD" ? undefined : body);
      return;
    }
    const headers = {
      etag: file.tag,
      vary: "accept-encoding",
      "cache-control": FOR_EVER.test(path) ? "public, max-age=31536000, immutable" : "no-cache",
    };
    if (request.headers["if-none-match"] === file.tag) {
      response.writeHead(304, headers);
      response.end();
      return;
    }
    const zips = /\bgzip\b/.test(request.headers["accept-encoding"]?.toString() ?? "");
    const body = zips ? file.zipped : file.body;
    response.writeHead(200, {
      ...headers,
      "content-type": file.type,
      "content-length": body.byteLength,
      ...(zips ? { "content-encoding": "gzip" } : {}),
    });
    response.end(method === "HEAD" ? undefined : body);
  };
}

/** Scripts and styles are files of ours; what components write into the page as styles carries the nonce. */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "frame-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}

async function readFiles(folder: string): Promise<ReadonlyMap<string, File>> {
  const files = new Map<string, File>();
  for (const entry of await entriesOf(folder)) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const path = join(entry.parentPath, entry.name);
    const body = await readFile(path);
    const tag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
    files.set(`/${relative(folder, path).split(sep).join("/")}`, {
      type,
      body,
      zipped: await zip(body),
      tag,
    });
  }
  return files;
}

const zip = promisify<Buffer, Buffer>((body, done) => gzip(body, { level: 9 }, done));

async function entriesOf(folder: string) {
  try {
    return await readdir(folder, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}
