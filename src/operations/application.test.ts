import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AppError } from "../errors.ts";
import { withVariable } from "../lib/living-processes.ts";
import { makeRuntime, silentReporter } from "../lib/runtime.ts";
import {
  type ApplicationCommands,
  restartApplication,
  startApplication,
  stopApplication,
  waitUntilHealthy,
} from "./application.ts";

const { signal } = new AbortController();
const PATH = "/usr/bin:/bin";
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "handled-application-"));
});
afterAll(() => rm(folder, { recursive: true }));

const app = (parts: Partial<ApplicationCommands>): ApplicationCommands => ({
  healthTimeoutMs: 5000,
  ...parts,
});

/** A command that tells that it has begun, does not end, and is found by a variable of its environment. */
function hangingIn(name: string) {
  const file = join(folder, name);
  return {
    command: 'echo begun > "$BEGUN"; sleep 60',
    env: { PATH, BEGUN: file, [`HANGING_${name}`]: "yes" },
    begun: async () =>
      await expect
        .poll(async () => await readFile(file, "utf8").catch(() => ""), { timeout: 10_000 })
        .toBe("begun\n"),
    left: async () => await withVariable(`HANGING_${name}`),
  };
}

describe("commands", () => {
  test("run in a shell with the inherited environment", async () => {
    const file = join(folder, "said");
    const runtime = makeRuntime({ env: { PATH, GREETING: "hello", TARGET: file } });
    const report = await stopApplication(
      runtime,
      app({ stop: 'echo "$GREETING" | cat > "$TARGET"' }),
      signal,
    );
    expect(report?.durationMs).toBeGreaterThan(0);
    expect(await readFile(file, "utf8")).toBe("hello\n");
  });

  test("see neither our own variables nor their own text among the arguments of the shell", async () => {
    const file = join(folder, "leak");
    const runtime = makeRuntime({ env: { PATH, TARGET: file } });
    const start = "env > $TARGET; tr '\\0' ' ' < /proc/$$/cmdline >> $TARGET; : sesame-in-command";
    await startApplication(runtime, app({ start }), signal);
    const seen = await readFile(file, "utf8");
    expect(seen).toContain("/bin/sh");
    expect(seen).not.toContain("sesame-in-command");
    expect(seen).not.toContain("HANDLED_COMMAND=");
  });

  test("nothing happens without a command", async () => {
    expect(await stopApplication(makeRuntime(), app({}), signal)).toBeUndefined();
    expect(await startApplication(makeRuntime(), app({}), signal)).toBeUndefined();
    expect(await waitUntilHealthy(makeRuntime(), app({}), signal)).toBeUndefined();
  });

  test("a failing one is an error with its exit code and its last lines, secrets taken out", async () => {
    const runtime = makeRuntime({ env: { PATH } });
    runtime.secrets.add("hunter2!");
    const stop = "seq 1 20000; echo 'no process hunter2! found' >&2; exit 3";
    const error = await stopApplication(runtime, app({ stop }), signal).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "application_failed" });
    expect((error as AppError).message).toContain("stop the application");
    expect((error as AppError).message).toContain("exit code 3");
    expect((error as AppError).message).toContain("no process *** found");
    expect((error as AppError).hint).toContain("by hand");
    expect(JSON.stringify([error, (error as AppError).message])).not.toContain("hunter2!");
    expect(String((error as AppError).details["output"]).length).toBeLessThanOrEqual(8192);
  });

  test("a missing program and broken shell text are errors too", async () => {
    const runtime = makeRuntime({ env: { PATH } });
    for (const start of ["no-such-program-anywhere", "if then", "false; exit 7"]) {
      await expect(startApplication(runtime, app({ start }), signal)).rejects.toMatchObject({
        code: "application_failed",
      });
    }
  });

  test("a service manager that is not installed is told, with what to do", async () => {
    await expect(
      restartApplication(makeRuntime({ env: { PATH: folder } }), app({ restart: "pm2 restart api" }), signal),
    ).rejects.toMatchObject({
      message: expect.stringMatching(
        /^restart the application: `pm2 restart api`: exit code 127: .*pm2: not found/,
      ),
      hint: expect.stringContaining("install it, or write its absolute path"),
    });
  });

  test("one that leaves a server running in the background returns at once", async () => {
    const file = join(folder, "server.pid");
    const runtime = makeRuntime({ env: { PATH, TARGET: file } });
    await startApplication(runtime, app({ start: "sleep 60 & echo $! > $TARGET" }), signal);
    const pid = Number(await readFile(file, "utf8"));
    expect(process.kill(pid, 0)).toBe(true);
    process.kill(pid);
  });

  test("one that does not end is stopped after its time", async () => {
    const runtime = makeRuntime({ env: { PATH } });
    await expect(
      stopApplication(runtime, app({ stop: "exec sleep 60", commandTimeoutMs: 50 }), signal),
    ).rejects.toThrow("no end after 50 ms");
  });

  test("an aborted signal ends one with the signal's own reason", async () => {
    const controller = new AbortController();
    const reason = new AppError("interrupted", "stopped by the user");
    const running = stopApplication(
      makeRuntime({ env: { PATH } }),
      app({ stop: "exec sleep 60" }),
      controller.signal,
    );
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
  });

  test("have the terminal of whoever calls, by which they may ask for a password", async () => {
    const sessionOf = async (file: string): Promise<string | undefined> => {
      const text = await readFile(file, "utf8");
      return text.slice(text.lastIndexOf(")")).split(" ")[4];
    };
    const file = join(folder, "stat");
    const start = `cat /proc/$$/stat > ${file}`;
    await startApplication(makeRuntime({ env: { PATH } }), app({ start }), new AbortController().signal);
    expect(await sessionOf(file)).toBe(await sessionOf("/proc/self/stat"));
  });

  test("an aborted signal leaves alone what has left for the background", async () => {
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
    const file = join(folder, "daemon");
    const hanging = hangingIn("foreground");
    const controller = new AbortController();
    const start = `setsid sh -c 'echo $$ > ${file}; exec sleep 600' & until test -s ${file}; do sleep 0.01; done; ${hanging.command}`;
    startApplication(makeRuntime({ env: hanging.env }), app({ start }), controller.signal).catch(resolve);
    await hanging.begun();
    const daemon = Number(await readFile(file, "utf8"));
    controller.abort(new AppError("interrupted", "stopped by the user"));
    await aborted;
    expect((await hanging.left()).map(({ pid }) => pid)).toEqual([daemon]);
    process.kill(daemon);
  });

  test("an aborted signal ends all that one has started, even what takes no notice of SIGTERM", async () => {
    const hanging = hangingIn("stubborn");
    const controller = new AbortController();
    const reason = new AppError("interrupted", "stopped by the user");
    const stop = `sh -c 'trap "" TERM; ${hanging.command}'; true`;
    const running = stopApplication(makeRuntime({ env: hanging.env }), app({ stop }), controller.signal);
    await hanging.begun();
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(await hanging.left()).toEqual([]);
  });
});

describe("restarting", () => {
  const told = async (parts: Partial<ApplicationCommands>, aborted?: AbortSignal) => {
    const file = join(folder, "order");
    await rm(file, { force: true });
    const runtime = makeRuntime({ env: { PATH, ORDER: file, SHOP_URL: "old" } });
    const error = await restartApplication(runtime, app(parts), aborted ?? signal).catch(
      (thrown: unknown) => thrown,
    );
    return { error, order: await readFile(file, "utf8") };
  };
  const [stop, start] = ["echo stop >> $ORDER", "echo start $SHOP_URL >> $ORDER"];

  test("takes its own command, otherwise stops and starts", async () => {
    expect((await told({ stop, start, restart: "echo restart >> $ORDER" })).order).toBe("restart\n");
    expect((await told({ stop, start })).order).toBe("stop\nstart old\n");
  });

  test("a variable that stands in the `.env` does not reach the commands from our environment", async () => {
    expect((await told({ stop, start, withheld: ["SHOP_URL"] })).order).toBe("stop\nstart\n");
  });

  test("what could not be stopped, or was interrupted meanwhile, is started again", async () => {
    const failed = await told({ stop: `${stop}; exit 4`, start });
    expect(failed).toMatchObject({ error: { code: "application_failed" }, order: "stop\nstart old\n" });
    const controller = new AbortController();
    const reason = new AppError("interrupted", "stopped by the user");
    const interrupted = told({ stop: `${stop}; exec sleep 60`, start }, controller.signal);
    controller.abort(reason);
    expect((await interrupted).error).toBe(reason);
    expect((await interrupted).order).toContain("start old\n");
  });

  test("a start that hangs is ended by an interruption, and that it may not run is told", async () => {
    const hanging = hangingIn("start");
    const warnings: string[] = [];
    const reporter = { ...silentReporter, warn: (text: string) => void warnings.push(text) };
    const controller = new AbortController();
    const reason = new AppError("interrupted", "stopped by the user");
    const parts = app({ stop: "true", start: `${hanging.command}; true` });
    const running = restartApplication(makeRuntime({ env: hanging.env, reporter }), parts, controller.signal);
    await hanging.begun();
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(await hanging.left()).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(/^the application was stopped, and starting it was interrupted/),
    ]);
  });
});
