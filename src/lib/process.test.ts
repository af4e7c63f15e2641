import { getEventListeners, once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { errorCode } from "../errors.ts";
import { collect, isBrokenPipe, runForText, runTool, type ToolCall } from "./process.ts";

const runtime = testRuntime();
const MEGABYTE = 1_000_000;

/** A shell that runs these lines. */
function shell(script: string, more: Partial<ToolCall<string>> = {}): ToolCall<string> {
  return {
    program: "/bin/sh",
    args: ["-c", script],
    env: runtime.env,
    output: (stdout) => collect(stdout, MEGABYTE),
    ...more,
  };
}

const run = async (script: string, more: Partial<ToolCall<string>> = {}): Promise<string> =>
  await runTool(runtime, shell(script, more), noAbort());

/** So many bytes, far more than a pipe holds. */
function bytes(count: number): Readable {
  return Readable.from(
    (function* () {
      for (let left = count; left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536), "x");
    })(),
  );
}

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", onUnhandled);
});
afterEach(async () => {
  // Rejections are reported after the current turn of the event loop.
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
});

async function isRunning(pid: number): Promise<boolean> {
  try {
    // A zombie has ended, though its parent has not looked yet.
    return !/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH") return false;
    throw error;
  }
}

describe("a child that does its work", () => {
  test("gives its output, gets its input whole, and only the environment it was given", async () => {
    expect(await run("cat; echo $A-$HOME-", { input: bytes(3), env: { A: "b" } })).toBe("xxxb--\n");
    expect(await run("wc -c", { input: bytes(5 * MEGABYTE) })).toBe(`${5 * MEGABYTE}\n`);
    expect(await run("pwd", { cwd: "/usr" })).toBe("/usr\n");
    // Without an input it reads the end of one, not ours.
    expect(await run("cat")).toBe("");
  });

  test("is told to the observer before and after", async () => {
    const own = testRuntime();
    await runForText(own, { program: "/bin/true", args: [], env: own.env }, noAbort());
    await expect(
      runForText(own, { program: "/bin/false", args: [], env: own.env }, noAbort()),
    ).rejects.toMatchObject({ code: "tool_failed" });
    expect(own.operations).toEqual(["before child true", "after child true", "before child false"]);
  });

  test("may stop reading its input early: that is told, not taken for success", async () => {
    const input = bytes(5 * MEGABYTE);
    const error: unknown = await run("head -c 10 >/dev/null; exit 0", { input }).catch(
      (cause: unknown) => cause,
    );
    expect(isBrokenPipe(error)).toBe(true);
    expect(input.destroyed).toBe(true);
  });

  test("runs as another user when told to", async () => {
    expect(await run("id -u; id -g", { user: { uid: 65_534, gid: 65_534 } })).toBe("65534\n65534\n");
  });
});

describe("a child that fails", () => {
  test("is told by its exit code and its last lines", async () => {
    await expect(run("echo out; echo one >&2; echo two >&2; exit 3")).rejects.toMatchObject({
      code: "tool_failed",
      message: "run sh: exit code 3: one; two",
      details: { tool: "sh", exitCode: 3, signal: null, stderr: "one\ntwo" },
    });
    await expect(run("exit 1")).rejects.toMatchObject({ message: "run sh: exit code 1" });
    await expect(run("for i in 1 2 3 4 5 6 7 8; do echo $i >&2; done; exit 1")).rejects.toMatchObject({
      message: "run sh: exit code 1: 3; 4; 5; 6; 7; 8",
    });
  });

  test.each(["SIGKILL", "SIGTERM", "SIGSEGV"])("is told by the signal that ended it: %s", async (name) => {
    await expect(run(`kill -${name.slice(3)} $$`)).rejects.toMatchObject({
      code: "tool_failed",
      message: `run sh: ended by ${name}`,
      details: { exitCode: null, signal: name },
    });
  });

  test("comes before the broken pipe of the input that it did not read", async () => {
    const input = bytes(5 * MEGABYTE);
    await expect(run("head -c 10 >/dev/null; echo full >&2; exit 1", { input })).rejects.toMatchObject({
      code: "tool_failed",
      message: "run sh: exit code 1: full",
    });
    expect(input.destroyed).toBe(true);
  });

  test.each(["exit 3", "kill -KILL $$", "kill -TERM $$"])(
    "comes before what its consumer makes of the end: %s",
    async (end) => {
      const output = async (stdout: Readable): Promise<string> => {
        const text = await collect(stdout, MEGABYTE);
        throw new Error(`cut short: ${text}`);
      };
      await expect(run(`echo half; ${end}`, { output })).rejects.toMatchObject({ code: "tool_failed" });
    },
  );

  test("does not wait for an input that never comes", async () => {
    const input = new Readable({ read() {} });
    await expect(run("exit 4", { input })).rejects.toMatchObject({ details: { exitCode: 4 } });
    expect(input.destroyed).toBe(true);
  });
});

describe("a program that cannot be started", () => {
  test("is missing: what to install is said, and nothing hangs", async () => {
    const input = bytes(MEGABYTE);
    await expect(run("", { program: "handled-no-such-program", input })).rejects.toMatchObject({
      code: "client_missing",
      message: expect.stringContaining("start handled-no-such-program: ") as string,
      hint: expect.stringContaining("`handled-no-such-program`") as string,
    });
    expect(input.destroyed).toBe(true);
    await expect(run("", { program: "/etc/passwd" })).rejects.toMatchObject({ code: "client_missing" });
  });

  test("has too many arguments for the kernel", async () => {
    const args = Array.from({ length: 100 }, () => "x".repeat(100_000));
    const input = bytes(MEGABYTE);
    await expect(run("", { program: "/bin/true", args, input })).rejects.toMatchObject({
      code: "client_missing",
      message: expect.stringContaining("E2BIG") as string,
    });
    expect(input.destroyed).toBe(true);
  });
});

describe("standard error", () => {
  test("lines that the listener takes are not kept; the last one needs no end", async () => {
    const lines: string[] = [];
    const onLine = (line: string): boolean => {
      lines.push(line);
      return line.startsWith("progress");
    };
    const script = "printf 'progress 1\\r\\nöh\\n\\nprogress 2\\rno end' >&2; exit 1";
    await expect(run(script, { onLine })).rejects.toMatchObject({ details: { stderr: "öh\nno end" } });
    expect(lines).toEqual(["progress 1", "öh", "progress 2", "no end"]);
  });

  test("never takes more than a bounded part of our memory, with or without ends of lines", async () => {
    const stderrOf = async (script: string): Promise<string> => {
      const error: unknown = await run(script).catch((cause: unknown) => cause);
      return (error as { details: { stderr: string } }).details.stderr;
    };
    const many = await stderrOf("seq 1 300000 >&2; exit 1");
    expect(many.length).toBeLessThanOrEqual(8192);
    expect(many.endsWith("\n299999\n300000")).toBe(true);
    const before = process.memoryUsage().heapUsed;
    let longest = 0;
    await expect(
      run("head -c 300000000 /dev/zero | tr '\\0' y >&2; printf '\\nlast' >&2; exit 1", {
        onLine: (line) => {
          longest = Math.max(longest, line.length);
          return false;
        },
      }),
    ).rejects.toMatchObject({ details: { stderr: expect.stringMatching(/^y{2000}…\nlast$/) as string } });
    expect(longest).toBeLessThanOrEqual(64 * 1024);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200_000_000);
  });

  test("holds no secret, not even half of one where it was cut", async () => {
    const own = testRuntime();
    own.secrets.add("hunter22-and-its-end");
    // The secret is at the bound of what is kept: 8092 characters have 81 ends of lines.
    for (const count of [8092, 8097, 8102]) {
      const script = `echo "$SECRET" >&2; head -c ${count} /dev/zero | tr '\\0' y | fold -w 100 >&2; exit 1`;
      const env = { ...own.env, SECRET: "hunter22-and-its-end" };
      const call = shell(script, { env });
      await expect(runTool(own, call, noAbort())).rejects.toMatchObject({
        message: expect.not.stringMatching(/hunter|end/) as string,
        details: { stderr: expect.stringMatching(/^[*y\n]+$/) as string },
      });
    }
  });
});

describe("our side fails first", () => {
  test("the consumer: its error is told, and the child does not go on", async () => {
    let pid = 0;
    const output = async (stdout: Readable): Promise<string> => {
      const [chunk] = (await once(stdout, "data")) as [Buffer];
      pid = Number(chunk.toString());
      throw new Error("disk full");
    };
    await expect(run("echo $$; exec yes", { output })).rejects.toThrow("disk full");
    expect(await isRunning(pid)).toBe(false);
  });

  test("the consumer of a child that ends itself with a code when it is told to stop", async () => {
    const output = async (stdout: Readable): Promise<string> => {
      await once(stdout, "data");
      throw new Error("disk full");
    };
    const script = "trap 'echo terminated by user >&2; exit 1' TERM; echo on; while :; do sleep 0.05; done";
    await expect(run(script, { output })).rejects.toThrow("disk full");
  });

  test("the consumer, by a connection of its own that broke", async () => {
    const output = async (stdout: Readable): Promise<string> => {
      await pipeline(
        stdout,
        new Writable({
          write: (_chunk, _encoding, done) => done(Object.assign(new Error("reset"), { code: "ECONNRESET" })),
        }),
      );
      return "";
    };
    // One that went on writing could end by the closed pipe before it is told to stop, and then say so.
    await expect(run("echo on; exec sleep 60", { output })).rejects.toThrow("reset");
  });

  test("the consumer, before it reads anything, even without a promise", async () => {
    const output = (): Promise<string> => {
      throw new Error("no place");
    };
    await expect(run("exec yes", { output })).rejects.toThrow("no place");
  });

  test("the consumer, after the child did its work", async () => {
    const output = async (stdout: Readable): Promise<string> => {
      await collect(stdout, MEGABYTE);
      throw new Error("not durable");
    };
    await expect(run("echo all", { output })).rejects.toThrow("not durable");
  });

  test("the input: its error is told, though the child takes its end for the end of the data", async () => {
    const input = (): Readable =>
      Readable.from(
        (async function* () {
          yield await Promise.resolve(Buffer.alloc(100_000));
          throw new Error("cannot be read on");
        })(),
      );
    await expect(run("wc -c", { input: input() })).rejects.toThrow("cannot be read on");
    await expect(run("cat >/dev/null; exec sleep 60", { input: input() })).rejects.toThrow(
      "cannot be read on",
    );
  });

  test("text that does not fit is refused", async () => {
    await expect(run("exec yes", { output: (stdout) => collect(stdout, 1000) })).rejects.toMatchObject({
      message: "read output: more than 1000 bytes",
    });
  });
});

describe("aborting", () => {
  const reason = new Error("enough");
  /** Runs a script, aborts when it has said its process id, and gives that. */
  async function abortOnceStarted(script: string): Promise<number> {
    const stop = new AbortController();
    let pid = 0;
    const output = async (stdout: Readable): Promise<string> => {
      stdout.once("data", (chunk: Buffer) => {
        pid = Number(chunk.toString());
        stop.abort(reason);
      });
      await pipeline(stdout, new Writable({ write: (_chunk, _encoding, done) => done() }));
      return "";
    };
    await expect(runTool(runtime, shell(script, { output }), stop.signal)).rejects.toBe(reason);
    return pid;
  }

  test("before the start starts nothing", async () => {
    await using folder = await temporaryFolder();
    const call = shell("touch made", { cwd: folder.path });
    await expect(runTool(runtime, call, AbortSignal.abort(reason))).rejects.toBe(reason);
    await expect(readFile(join(folder.path, "made"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("lets the child tidy up", async () => {
    await using folder = await temporaryFolder();
    const made = join(folder.path, "tidy");
    await abortOnceStarted(`trap 'echo done >${made}; exit 0' TERM; echo $$; while :; do sleep 0.05; done`);
    expect(await readFile(made, "utf8")).toBe("done\n");
  });

  test("kills a child that does not listen", async () => {
    const pid = await abortOnceStarted("trap '' TERM; echo $$; while :; do sleep 0.05; done");
    expect(pid).toBeGreaterThan(0);
    expect(await isRunning(pid)).toBe(false);
  });

  test("does not wait for a grandchild that holds the pipes open", async () => {
    const started = performance.now();
    await abortOnceStarted("echo $$; sleep 20; true");
    await abortOnceStarted("sleep 20 & echo $$");
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  test("leaves no listener on the signal", async () => {
    const { signal } = new AbortController();
    await runTool(runtime, shell("exit 0"), signal);
    await runTool(runtime, shell("exit 1"), signal).catch(() => undefined);
    await runTool(runtime, shell("", { program: "no-such" }), signal).catch(() => undefined);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});

test.each([
  ["EPIPE", true],
  ["ECONNRESET", true],
  ["ERR_STREAM_PREMATURE_CLOSE", true],
  ["ENOSPC", false],
  ["ABORT_ERR", false],
])("isBrokenPipe %s", (code, broken) => {
  expect(isBrokenPipe(Object.assign(new Error("x"), { code }))).toBe(broken);
  expect(isBrokenPipe(code)).toBe(false);
});
