// `node shop-api-main.ts FILE PORT VARIABLE=TABLE…`: reads FILE, its `.env`, and serves. As in Node itself and in dotenv, what
// is in the environment already wins over the file.
import { loadEnvFile } from "node:process";
import { serveApi } from "../../src/demo/shop-api.ts";

const [file = ".env", port = "", ...databases] = process.argv.slice(2);
loadEnvFile(file);
const api = serveApi(
  process.env,
  Object.fromEntries(databases.map((pair) => pair.split("=", 2))),
  Number(port),
);
const end = async (): Promise<void> => {
  await api[Symbol.asyncDispose]();
  // pm2's channel to us would keep the process.
  process.exit();
};
process.once("SIGINT", () => void end()).once("SIGTERM", () => void end());
