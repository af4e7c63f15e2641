// `node shop-api-main.ts FILE PORT VARIABLE=TABLE…`: reads FILE, its `.env`, and serves until SIGINT or SIGTERM. As in Node itself
// and in dotenv, what is in the environment already wins over the file.
import { loadEnvFile } from "node:process";
import { serveApi } from "./shop-api.ts";

const [file = ".env", port = "", ...databases] = process.argv.slice(2);
loadEnvFile(file);
const api = serveApi(
  process.env,
  Object.fromEntries(databases.map((pair) => pair.split("=", 2))),
  Number(port),
);
const end = async (): Promise<void> => {
  await api[Symbol.asyncDispose]();
  // A service manager's channel to us (pm2 has one) would keep the process.
  if (process.connected) process.disconnect();
};
process.once("SIGINT", () => void end()).once("SIGTERM", () => void end());
