import { AppError } from "../errors.ts";
import { type Parameters, checkParameterName } from "./parameters.ts";

const ENCODE_HINT =
  "in a URL write the special characters of a password percent-encoded: `@` as `%40`, `:` as `%3A`, `/` as `%2F`, `?` as `%3F`, `%` as `%25`";

export function isConnectionUri(source: string): boolean {
  return /^postgres(ql)?:\/\//.test(source);
}

/**
 * Reads `postgresql://user:password@h1:1,h2:2/database?parameter=value` as libpq does.
 * Errors (`usage`) never repeat a piece of the URL that could belong to the password.
 */
export function parseConnectionUri(source: string): Parameters {
  const body = source.replace(/^postgres(ql)?:\/\//, "");
  const found: Record<string, string> = {};
  // libpq looks for the first `@` or `/`; an `@` that comes first ends the user part.
  const userEnd = body.search(/[@/]/);
  const hasUser = userEnd >= 0 && body[userEnd] === "@";
  if (hasUser) readUser(body.slice(0, userEnd), found);
  const rest = hasUser ? body.slice(userEnd + 1) : body;

  const queryStart = rest.indexOf("?");
  const address = queryStart < 0 ? rest : rest.slice(0, queryStart);
  const pathStart = address.indexOf("/");
  const hosts = pathStart < 0 ? address : address.slice(0, pathStart);
  const database = pathStart < 0 ? "" : address.slice(pathStart + 1);
  // A second `@` here is almost surely one of the password's: connecting to what is behind it would be wrong.
  if (address.includes("@")) throw invalid("it has an unencoded special character");
  readHosts(hosts, found);
  if (database !== "") found["dbname"] = decode(database);
  if (queryStart >= 0) readQuery(rest.slice(queryStart + 1), found, !rest.includes("@"));
  return found;
}

function readUser(text: string, found: Record<string, string>): void {
  const colon = text.indexOf(":");
  const user = colon < 0 ? text : text.slice(0, colon);
  if (user !== "") found["user"] = decode(user);
  if (colon >= 0 && colon + 1 < text.length) found["password"] = decode(text.slice(colon + 1));
}

function readHosts(text: string, found: Record<string, string>): void {
  const hosts: string[] = [];
  const ports: string[] = [];
  for (const item of text.split(",")) {
    const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(item);
    if (match === null) throw invalid("it has no readable host and port");
    const port = decode(match[3] ?? "");
    // Without an `@` the text behind the colon may be a password that holds a slash: it is not repeated.
    if (port !== "" && !/^\d+$/.test(port)) throw invalid("its port is not a number");
    hosts.push(decode(match[1] ?? match[2] ?? ""));
    ports.push(port);
  }
  // Like libpq: one host without a port leaves the port to the service file and PGPORT; a list does not.
  if (hosts.join(",") !== "") found["host"] = hosts.join(",");
  if (ports.join(",") !== "") found["port"] = ports.join(",");
}

function readQuery(text: string, found: Record<string, string>, mayPrint: boolean): void {
  for (const item of text.split("&")) {
    const equals = item.indexOf("=");
    if (equals < 0) {
      if (item === "" && text === "") return;
      throw invalid("a parameter after the question mark has no value");
    }
    const name = decode(item.slice(0, equals));
    const value = decode(item.slice(equals + 1));
    // Spelling of JDBC, which libpq also takes.
    if (name === "ssl" && value === "true") {
      found["sslmode"] = "require";
      continue;
    }
    // A password in the query that holds an unencoded `&` makes its rest look like a parameter.
    checkParameterName(name, "the connection URL", mayPrint && !("password" in found));
    found[name] = value;
  }
}

function decode(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text) || /%00/.test(text))
    throw invalid("a percent sign starts no valid code");
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    // The cause's message holds no part of the text.
    throw new AppError("usage", "read the connection URL: its percent codes are no UTF-8", {
      hint: ENCODE_HINT,
      cause,
    });
  }
}

function invalid(reason: string): AppError {
  return new AppError("usage", `read the connection URL: ${reason}`, { hint: ENCODE_HINT });
}
