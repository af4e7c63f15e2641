import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { leaveThread, takeThread } from "./idle-threads.ts";

/** A thread's file that answers what it is sent, breaks when it is told to, and ends when it is told to. */
function thread(name: string): URL {
  return new URL(
    `data:text/javascript,${encodeURIComponent(`// ${name}
      import { parentPort } from "node:worker_threads";
      parentPort.on("message", (message) => {
        if (message === "break") throw new Error("broken");
        if (message === "end") parentPort.close();
        else parentPort.postMessage(message);
      });`)}`,
  );
}

async function ask(worker: Worker, message: string): Promise<unknown> {
  worker.postMessage(message);
  const [answer] = (await once(worker, "message")) as unknown[];
  return answer;
}

test("a thread that was left is taken again, by one at a time, and whoever left it hears no more", async () => {
  const file = thread("taken again");
  const first = takeThread(file);
  const heard: unknown[] = [];
  first.on("message", (message) => heard.push(message));
  expect(await ask(first, "one")).toBe("one");
  leaveThread(file, first);
  const again = takeThread(file);
  const other = takeThread(file);
  expect(again).toBe(first);
  expect(other).not.toBe(first);
  expect(await ask(again, "two")).toBe("two");
  expect(await ask(other, "three")).toBe("three");
  expect(heard).toEqual(["one"]);
  leaveThread(file, again);
  expect(takeThread(thread("another file"))).not.toBe(again);
});

test.for(["break", "end"])("one that is told to %s after it was left is not taken", async (message) => {
  const file = thread(message);
  const worker = takeThread(file);
  await ask(worker, "ready");
  leaveThread(file, worker);
  const exited = new Promise((resolve) => worker.once("exit", resolve));
  worker.postMessage(message);
  await exited;
  const next = takeThread(file);
  expect(next).not.toBe(worker);
  expect(await ask(next, "alive")).toBe("alive");
  leaveThread(file, next);
});
