/** To whom a new repository is to be sealed. */
export interface WantedKeys {
  /** `age1…`, at least one. */
  readonly recipients: readonly string[];
  /** File with the key of this host; undefined for the default. */
  readonly hostKeyFile: string | undefined;
}

/** Which keys the command line and the strategy named. What is in their files is read when it is needed. */
export class KeyRing {
  /** Files with identities. */
  readonly identityFiles: readonly string[];
  /** Asks a person for the passphrase of an identity file; undefined where nobody can answer. */
  readonly askPassphrase: ((file: string) => Promise<string | undefined>) | undefined;
  readonly #wanted = new Map<string, WantedKeys>();

  constructor(identityFiles: readonly string[] = [], askPassphrase?: KeyRing["askPassphrase"]) {
    this.identityFiles = identityFiles;
    this.askPassphrase = askPassphrase;
  }

  /** Says to whom a repository at this place is to be sealed. */
  want(place: string, keys: WantedKeys): void {
    this.#wanted.set(place, keys);
  }

  wantedFor(place: string): WantedKeys | undefined {
    return this.#wanted.get(place);
  }
}
