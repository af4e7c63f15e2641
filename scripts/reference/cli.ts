import type { Argument, Command, Option } from "commander";
import { buildProgram } from "../../src/cli/program.ts";
import { EXIT_CODES } from "../../src/cli/exit-codes.ts";
import { renderRows } from "./markdown.ts";

/** `docs/reference/cli.md`: every command with its arguments and options, made from the program itself. */
export async function cliReference(): Promise<string> {
  const program = await buildProgram(() => {
    throw new Error("a command was run while describing the program");
  }, []);
  const commands = leavesOf(program);
  return `${[
    "# The command line",
    `${program.description()} Data goes to standard output; words and progress go to standard error.`,
    "A database whose name begins with a dash is written after `--`: `handled backup -- -odd`.",
    renderRows(
      ["command", "does"],
      commands.map(([name, command]) => [`[\`${name}\`](#${anchorOf(name)})`, command.summary()]),
    ),
    "## Options of every command",
    renderOptions(program.options),
    ...commands.map(([name, command]) => renderCommand(name, command)),
    "## Exit codes",
    renderRows(
      ["code", "meaning"],
      EXIT_CODES.map(({ code, meaning }) => [`\`${code}\``, meaning]),
    ),
  ].join("\n\n")}\n`;
}

/** Every command that does something, with its full name. */
function leavesOf(command: Command, prefix = "handled"): [string, Command][] {
  return command.commands.flatMap((child): [string, Command][] => {
    const name = `${prefix} ${child.name()}`;
    return child.commands.length === 0 ? [[name, child]] : leavesOf(child, name);
  });
}

function renderCommand(name: string, command: Command): string {
  return [
    `## \`${name}\``,
    command.description(),
    `\`\`\`\n${name} ${command.usage()}\n\`\`\``,
    ...(command.registeredArguments.length === 0 ? [] : [renderArguments(command.registeredArguments)]),
    ...(command.options.length === 0 ? [] : [renderOptions(command.options)]),
  ].join("\n\n");
}

function renderArguments(args: readonly Argument[]): string {
  return renderRows(
    ["argument", "meaning"],
    args.map((argument) => {
      const word = argument.variadic ? `${argument.name()}…` : argument.name();
      return [
        `\`${argument.required ? `<${word}>` : `[${word}]`}\``,
        argument.description + extrasOf(argument),
      ];
    }),
  );
}

function renderOptions(options: readonly Option[]): string {
  return renderRows(
    ["option", "meaning"],
    options
      .filter(({ hidden }) => !hidden)
      .map((option) => [`\`${option.flags}\``, option.description + extrasOf(option)]),
  );
}

function extrasOf({ argChoices, defaultValue }: Argument | Option): string {
  const choices =
    argChoices === undefined ? "" : `: ${argChoices.map((choice) => `\`${choice}\``).join(", ")}`;
  // `true` is how commander knows an option that begins with `--no-`.
  const hasDefault = typeof defaultValue === "string" || typeof defaultValue === "number";
  return `${choices}${hasDefault ? ` (default: \`${defaultValue}\`)` : ""}`;
}

function anchorOf(name: string): string {
  return name.replaceAll(" ", "-");
}
