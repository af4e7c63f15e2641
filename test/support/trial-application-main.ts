// A small application: `node trial-application-main.ts MANNER`, with DATABASE_URL and PORT. Healthy while there are orders.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import pg from "pg";

const [manner = "serve", file = ""] = process.argv.slice(2);
if (manner === "die") {
  process.stderr.write("no licence\ndatabase: cannot go on\n");
  process.exit(3);
}
if (manner === "flood") setInterval(() => process.stdout.write("x".repeat(65_536)), 1);
if (manner === "stubborn") process.on("SIGTERM", () => undefined);
if (manner === "leave") {
  // Out of our group, and not waiting for us.
  const sleep = ["-e", "setInterval(() => {}, 1000)"];
  const left = spawn(process.execPath, sleep, { detached: true, stdio: "inherit" });
  spawn(process.execPath, sleep, { stdio: "inherit" });
  left.unref();
}
if (file !== "") writeFileSync(file, JSON.stringify({ ...process.env, pid: process.pid }));

createServer((_, response) => {
  if (manner === "hang") return;
  const answer = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: process.env["DATABASE_URL"] });
    await client.connect();
    try {
      const { rows } = await client.query("delete from shop.orders where id = 1 returning id");
      response.statusCode = rows.length === 1 ? 200 : 500;
    } finally {
      await client.end();
    }
  };
  answer()
    .catch(() => {
      response.statusCode = 503;
    })
    .finally(() => response.end());
}).listen(Number(process.env["PORT"]), "127.0.0.1");
