import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { addRecipient } from "../../config/add-recipient.ts";
import { findStrategy } from "../../config/find.ts";
import { loadStrategy } from "../../config/load.ts";
import { findRepository, type Strategy } from "../../config/strategy.ts";
import { AppError } from "../../errors.ts";
import { newIdentity } from "../../lib/age/keys.ts";
import { giveName, temporaryName, writeDurable } from "../../lib/durable.ts";
import { rewrapRepository } from "../../operations/rewrap.ts";
import { readRepositoryFile } from "../../repository/repository.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Cli } from "../cli.ts";
import type { KeyShowJson } from "../../json/keys.ts";
import { many } from "../options.ts";
import { openNamedPlace, openStrategyPlace } from "../open-place.ts";
import { renderKeyNew, renderKeyShow, renderRewrap } from "../render/key.ts";

interface NewOptions {
  readonly file?: string;
  readonly only?: readonly string[];
}

interface PlaceOption {
  readonly repository?: string;
  readonly recipient?: readonly string[];
}

interface RewrapOptions extends PlaceOption {
  readonly withoutHost?: readonly string[];
}

export function addKey(program: Command, cli: () => Cli): void {
  const key = program
    .command("key")
    .summary("keys of encrypted repositories")
    .description("Makes, shows and changes the keys that backups are encrypted to.");
  key
    .command("new")
    .summary("make an identity, and encrypt to it")
    .description(
      "Makes an age identity and shows it once: it opens every backup, so print it or keep it in a safe place away from the backups. " +
        "Only its recipient is written into the strategy. A repository is encrypted from its first backup on.",
    )
    .option("--file <file>", "write the identity to this new file instead of standard output")
    .option(
      "--only <repository>",
      "only for this repository of the strategy (may be repeated; default: all)",
      many,
    )
    .action(async (options: NewOptions) => {
      await runNew(cli(), options);
    });
  placeOption(key.command("show"))
    .summary("show to whom repositories are encrypted")
    .description(
      "Shows the recipients of the strategy and those of its repositories, and the keys of hosts. No secrets.",
    )
    .action(async (options: PlaceOption) => {
      await runShow(cli(), options);
    });
  placeOption(key.command("rewrap"))
    .summary("encrypt what exists to other recipients")
    .description(
      "Seals everything in a repository to the recipients of the strategy and lets this host go on writing to it. Only headers are written anew, " +
        "which takes the identity of one of the recipients until now: give it with --identity. May be repeated at any time.",
    )
    .option("--recipient <age1…>", "these recipients instead of the strategy's (may be repeated)", many)
    .option(
      "--without-host <age1…>",
      "seal nothing to this host any more: `key show` names them (may be repeated)",
      many,
    )
    .action(async (options: RewrapOptions) => {
      await runRewrap(cli(), options);
    });
}

function placeOption(command: Command): Command {
  return command.addOption(
    new Option("--repository <place>", "name in the strategy, or a folder, file:// or s3:// URL"),
  );
}

async function strategyOf(cli: Cli): Promise<Strategy | undefined> {
  const path = await findStrategy(cli.runtime, cli.config, cli.cwd);
  return path === undefined ? undefined : await loadStrategy(cli.runtime, path, cli.signal);
}

async function runNew(cli: Cli, options: NewOptions): Promise<void> {
  const strategy = await strategyOf(cli);
  if (strategy === undefined && options.only !== undefined) {
    throw new AppError("strategy_missing", "add a recipient to a repository: there is no strategy", {
      hint: "leave `--only` away, and name the recipient with `handled backup --recipient`",
    });
  }
  const repositories =
    strategy === undefined
      ? []
      : (options.only ?? strategy.repositories.map(({ name }) => name)).map(
          (name) => findRepository(strategy, name).name,
        );
  if (strategy !== undefined) requireWhole(strategy, repositories);
  const identity = newIdentity();
  const recipient = identity.recipient.text;
  const file = options.file === undefined ? null : resolve(cli.cwd, options.file);
  // Kept, or shown, before anything is encrypted to it.
  if (file !== null) await writeIdentity(file, `# public key: ${recipient}\n${identity.text}\n`);
  const report = {
    recipient,
    identity: file === null ? identity.text : null,
    file,
    strategy: strategy?.path ?? null,
    repositories,
  };
  // Never told to `runtime.secrets`, which would take it out of this very output.
  cli.output.result(report, () => renderKeyNew(report));
  if (strategy === undefined) {
    cli.output.note(
      `name it at the first backup of a repository: \`handled backup --recipient ${recipient}\``,
    );
    return;
  }
  await addRecipient(strategy.path, repositories, recipient);
  cli.output.note(`${strategy.path} names the recipient now, for ${repositories.join(", ")}`);
}

/** All places of a database have the same recipients: a strategy that says otherwise is none. */
function requireWhole({ databases }: Strategy, named: readonly string[]): void {
  for (const { name, repositories } of databases) {
    const others = repositories.filter((place) => !named.includes(place));
    const [mine] = repositories.filter((place) => named.includes(place));
    if (mine === undefined || others.length === 0) continue;
    throw new AppError(
      "usage",
      `add a recipient to ${mine}: ${name} is kept in ${others.join(", ")} as well, and all places of a database have the same recipients`,
      { hint: `name them all: ${repositories.map((place) => `\`--only ${place}\``).join(" ")}` },
    );
  }
}

async function writeIdentity(path: string, text: string): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await writeDurable(temporary, text, 0o600);
    await giveName(temporary, path, false);
  } finally {
    await rm(temporary, { force: true });
  }
}

interface Place {
  readonly storage: Storage;
  readonly wanted: readonly string[] | undefined;
  readonly hostKeyFile: string | undefined;
  /** The other places of its databases. */
  readonly peers: readonly Storage[];
}

/** The repository that was named, by its name in the strategy or its place; else all of the strategy. */
async function placesOf(cli: Cli, { repository }: PlaceOption): Promise<Place[]> {
  const strategy = await strategyOf(cli);
  const known =
    strategy?.repositories.filter(({ name }) => repository === undefined || name === repository) ?? [];
  if (strategy !== undefined && known.length > 0) {
    return known.map(({ name, recipients, hostKey }) => ({
      storage: openStrategyPlace(cli, strategy, name, {}),
      wanted: recipients,
      hostKeyFile: hostKey,
      peers: peersOf(strategy, name).map((peer) => openStrategyPlace(cli, strategy, peer, {})),
    }));
  }
  if (repository !== undefined) {
    const storage = openNamedPlace(cli, repository, {});
    // A mistyped name looks like a folder that is yet to be made.
    if (strategy !== undefined && /^[\w-]+$/.test(repository)) {
      const there = await readRepositoryFile(storage, cli.signal);
      if (there === undefined) findRepository(strategy, repository);
    }
    return [{ storage, wanted: undefined, hostKeyFile: undefined, peers: [] }];
  }
  throw new AppError("strategy_missing", "find a repository: there is no strategy", {
    hint: "name it with `--repository`",
  });
}

function peersOf({ databases }: Strategy, name: string): string[] {
  const shared = databases.filter(({ repositories }) => repositories.includes(name));
  return [...new Set(shared.flatMap(({ repositories }) => repositories))].filter((one) => one !== name);
}

async function runShow(cli: Cli, options: PlaceOption): Promise<void> {
  const repositories: KeyShowJson["repositories"] = [];
  for (const { storage, wanted } of await placesOf(cli, options)) {
    const file = await readRepositoryFile(storage, cli.signal);
    const sealing = file?.sealing;
    repositories.push({
      place: storage.place,
      isMade: file !== undefined,
      wanted: wanted === undefined ? null : [...wanted],
      recipients: sealing?.recipients ?? null,
      hosts: sealing?.hosts ?? [],
      mixed: sealing?.mixed === true,
    });
  }
  cli.output.result({ repositories }, () => renderKeyShow({ repositories }));
}

async function runRewrap(cli: Cli, options: RewrapOptions): Promise<void> {
  for (const { storage, wanted, hostKeyFile, peers } of await placesOf(cli, options)) {
    const recipients = options.recipient ?? wanted;
    if (recipients === undefined) {
      throw new AppError("usage", `seal ${storage.place} anew: no recipients are named for it`, {
        hint: "name them in the strategy (`recipients:` of the repository) or with `--recipient`",
      });
    }
    const { place, objects, ...keys } = await rewrapRepository(
      cli.runtime,
      { storage, recipients, hostKeyFile, peers, withoutHosts: options.withoutHost ?? [] },
      cli.signal,
    );
    const report = { place, recipients: [...keys.recipients], hosts: [...keys.hosts], objects };
    cli.output.result(report, () => renderRewrap(report));
  }
}
