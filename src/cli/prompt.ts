import { type CANCEL_SYMBOL, confirm, isCancel, multiselect, password, select, text } from "@clack/prompts";
import { AppError } from "../errors.ts";
import type { Cli } from "./cli.ts";

interface TextQuestion {
  readonly message: string;
  /** What stands there to be changed or accepted. */
  readonly initial?: string;
  /** An example, shown while nothing is typed. */
  readonly placeholder?: string;
  /** What is wrong with an answer, or undefined. */
  readonly check?: (answer: string) => string | undefined;
}

interface Choice<Value extends string> {
  readonly value: Value;
  readonly hint?: string;
}

/** Asks the person at the terminal. Everything throws `not_confirmed` when the questions are cancelled. */
export interface Asker {
  text(question: TextQuestion): Promise<string>;
  /** Typed without being shown. */
  secret(message: string): Promise<string>;
  choose<Value extends string>(
    message: string,
    choices: readonly Choice<Value>[],
    initial: Value,
  ): Promise<Value>;
  /** At least one of them; all are chosen at first. */
  chooseMany(message: string, choices: readonly string[]): Promise<string[]>;
  confirm(message: string): Promise<boolean>;
}

/**
 * The questions of a command; undefined where nobody can answer.
 * @param operation for messages: `write a strategy`
 */
export function askerOf(cli: Cli, operation: string): Asker | undefined {
  const { input, signal } = cli;
  if (input === undefined) return undefined;
  // Not to standard output, which may be a file.
  const common = { input, output: process.stderr, signal };
  const ask = async <Answer>(question: () => Promise<Answer | typeof CANCEL_SYMBOL>): Promise<Answer> => {
    cli.output.clear();
    const answer = await question();
    signal.throwIfAborted();
    if (!isCancel(answer)) return answer;
    throw new AppError("not_confirmed", `${operation}: the questions were cancelled`, {
      hint: "nothing was changed; run it again whenever you like",
    });
  };
  return {
    text: async ({ message, initial = "", placeholder = "", check }) => {
      const validate = (answer: string | undefined): string | undefined => check?.((answer ?? "").trim());
      const options = { ...common, message, initialValue: initial, placeholder, validate };
      return ((await ask(async () => await text(options))) ?? "").trim();
    },
    secret: async (message) => (await ask(async () => await password({ ...common, message }))) ?? "",
    choose: async <Value extends string>(
      message: string,
      choices: readonly Choice<Value>[],
      initial: Value,
    ) => {
      const options = choices.map(({ value, hint }) => ({
        value: value as string,
        ...(hint === undefined ? {} : { hint }),
      }));
      const answer = await ask(
        async () => await select({ ...common, message, options, initialValue: initial as string }),
      );
      // One of the values that were offered.
      return answer as Value;
    },
    chooseMany: async (message, choices) => {
      const options = choices.map((value) => ({ value }));
      return await ask(
        async () =>
          await multiselect({ ...common, message, options, initialValues: choices, required: true }),
      );
    },
    confirm: async (message) =>
      await ask(async () => await confirm({ ...common, message, initialValue: false })),
  };
}
