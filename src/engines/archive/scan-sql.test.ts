import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { newestClient } from "../../../test/support/archives.ts";
import { clusterUrl } from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { runTool } from "../../lib/process.ts";
import { clientProgram } from "../../postgres/clients.ts";
import { resolveConnection, toolEnvironment } from "../../postgres/connection.ts";
import { SqlScanner } from "./scan-sql.ts";

/** The statements as our scanner cuts them, and whether it met a command to psql. */
function scan(bytes: Buffer): { statements: string[]; commands: number } {
  const statements: string[] = [];
  let commands = 0;
  const scanner = new SqlScanner({
    wants: () => false,
    statement: (_word, _tokens, { start, end }) => {
      statements.push(bytes.subarray(start, end).toString());
      return false;
    },
    comment: () => undefined,
    metaCommand: () => {
      commands += 1;
    },
  });
  scanner.consume(bytes, 0, 0);
  scanner.end();
  return { statements, commands };
}

// What makes a lexer stumble: pieces of quotes, comments and function bodies, in any order.
const PIECES =
  `' '' " $$ $a$ $b$ $1 E' e'x\\'y' 'a\\' /* */ ( ) ; create_function_f() create_or_replace_procedure_p()
  begin_atomic end case a$b - / * é B'01' N'a' [1] x . || '''' m1 \\ 'x;y'`
    .split(/\s+/)
    .map((text) => text.replaceAll("_", " "));
const piece = fc.constantFrom(...PIECES, "--c\n", ";\n", "\n", "\n'more'", "/* ; */", " ");

/** An empty statement with a comment before it is sent by psql and of no interest to us. */
function withoutComments(statement: string): string {
  let text = statement.replaceAll(/--.*$/gm, "");
  for (let before = ""; before !== text; ) {
    before = text;
    text = text.replaceAll(/\/\*(?:(?!\/\*|\*\/)[^])*\*\//g, "");
  }
  return text;
}

test("cuts statements where psql cuts them", async () => {
  await using folder = await temporaryFolder();
  const runtime = testRuntime();
  const signal = noAbort();
  const settings = await resolveConnection(runtime, clusterUrl(), signal);
  const client = await newestClient();
  const log = join(folder.path, "log");
  /** The statements as psql sent them. Nothing is carried out: the server refuses to write, and most is no SQL. */
  const runPsql = async (text: Buffer): Promise<{ statements: string[]; complaints: string }> => {
    let complaints = "";
    await rm(log, { force: true });
    const env = { ...toolEnvironment(runtime, settings), PGOPTIONS: "-c default_transaction_read_only=on" };
    const call = {
      program: clientProgram(client, "psql"),
      args: ["--no-psqlrc", "--quiet", `--log-file=${log}`, "--file=-"],
      env,
      input: Readable.from([text], { objectMode: false }),
      onLine: (line: string): boolean => {
        complaints += `${line}\n`;
        return true;
      },
      output: async (stdout: Readable): Promise<void> => {
        for await (const _ of stdout) continue;
      },
    };
    await runTool(runtime, call, signal).catch((error: unknown) => {
      complaints += String(error);
    });
    const queries = (await readFile(log, "utf8").catch(() => "")).split(/^\/?\*+ QUERY \*+\/?$/m).slice(1);
    return { statements: queries.map((query) => query.split(/^\/?\*{24,}\/?$/m)[0] ?? ""), complaints };
  };
  const plain = (text: string): string => text.replaceAll(/\s+/g, " ").trim();
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 3, maxLength: 30 }), async (pieces) => {
      const text = Buffer.from(pieces.join(" "));
      const ours = scan(text);
      const theirs = await runPsql(text);
      if (ours.commands > 0) {
        expect(theirs.complaints).toMatch(/invalid command|extra argument|unterminated|\\/);
        return;
      }
      expect(theirs.complaints).not.toMatch(/invalid command/);
      const sent = theirs.statements
        .filter((statement) => withoutComments(statement).trim() !== ";")
        .map(plain);
      // psql sends comments before a statement along, and at the end of its input what no `;` has ended.
      expect([ours.statements.length, ours.statements.length + 1]).toContain(sent.length);
      for (const [n, statement] of ours.statements.entries()) {
        expect(sent[n]?.endsWith(plain(statement)), `${sent[n]} | ${statement}`).toBe(true);
      }
    }),
    { numRuns: 100 },
  );
});
