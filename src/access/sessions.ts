import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { Clock } from "../lib/clock.ts";
import type { User, Users } from "./users.ts";
import { newSecret, secretHash } from "./secret.ts";

const HOUR = 3_600_000;
// OWASP, "Session Management Cheat Sheet": both are needed.
const IDLE_MS = 12 * HOUR;
const LONGEST_MS = 7 * 24 * HOUR;
// Whoever is there is noted so often, and not at each request.
const NOTE_MS = 60_000;

const Row = z.object({
  user: z.string(),
  how: z.enum(["password", "oidc"]),
  created_at: z.number(),
  seen_at: z.number(),
  proven_at: z.number(),
});

/** Somebody who has signed in. */
export interface Session {
  readonly user: User;
  readonly how: "password" | "oidc";
  /** Names it where others are ended. */
  readonly hash: string;
  /** When it was last shown who they are, in milliseconds since 1970. */
  readonly provenAt: number;
}

/** Who has signed in. They outlive a restart; what is kept of them lets nobody in. */
export class Sessions {
  readonly #database: DatabaseSync;
  readonly #users: Users;
  readonly #clock: Clock;

  constructor(database: DatabaseSync, users: Users, clock: Clock) {
    this.#database = database;
    this.#users = users;
    this.#clock = clock;
  }

  /** @returns the secret that the browser keeps */
  begin(user: User, how: Session["how"]): string {
    const secret = newSecret();
    const now = this.#now();
    this.#database
      .prepare("delete from sessions where seen_at < ? or created_at < ?")
      .run(now - IDLE_MS, now - LONGEST_MS);
    this.#database
      .prepare(
        "insert into sessions (hash, user, how, created_at, seen_at, proven_at) values (?, ?, ?, ?, ?, ?)",
      )
      .run(secretHash(secret), user.name, how, now, now, now);
    return secret;
  }

  /** The session of a secret; undefined where there is none, or it is over. */
  find(secret: string): Session | undefined {
    const hash = secretHash(secret);
    const found = this.#database.prepare("select * from sessions where hash = ?").get(hash);
    if (found === undefined) return undefined;
    const { user: name, how, created_at: createdAt, seen_at: seenAt, proven_at: provenAt } = Row.parse(found);
    const now = this.#now();
    if (now - seenAt > IDLE_MS || now - createdAt > LONGEST_MS) {
      this.end(hash);
      return undefined;
    }
    const user = this.#users.find(name);
    if (user === undefined) return undefined;
    if (now - seenAt > NOTE_MS)
      this.#database.prepare("update sessions set seen_at = ? where hash = ?").run(now, hash);
    return { user, how, hash, provenAt };
  }

  end(hash: string): void {
    this.#database.prepare("delete from sessions where hash = ?").run(hash);
  }

  #now(): number {
    return this.#clock.now().getTime();
  }
}
