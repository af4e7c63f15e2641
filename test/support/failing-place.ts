import { mkdirSync, renameSync, rmSync } from "node:fs";
import { rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { BackedUp } from "./backed-up.ts";
import { type Fate, httpProxy } from "./http-proxy.ts";
import { inBucket } from "./in-bucket.ts";
import { objectStore } from "./object-store.ts";

/** The place of a repository that begins to fail when it is told to; a bucket is one whose server does. */
export interface FailingPlace extends AsyncDisposable {
  /** As the command line is told where the place is. */
  readonly url: string;
  /** From now on nothing of it is there: a disk that was unmounted, a bucket that was removed. */
  vanish(): void;
  /** From now on a backup and all parts are gone. */
  loseBackup(id: string): void;
  /** From now on no record can be made in it. */
  refuseRecords(): Promise<void>;
}

/** Disposing brings a vanished place back. */
export async function failingPlace(subject: BackedUp): Promise<FailingPlace> {
  return inBucket() ? await failingBucket(subject) : failingFolder(subject);
}

function failingFolder({ repository, name }: BackedUp): FailingPlace {
  const away = `${repository}-unmounted`;
  let vanished = false;
  return {
    url: repository,
    vanish: () => {
      renameSync(repository, away);
      // As a mount point is when its disk is gone: an empty folder.
      mkdirSync(repository);
      vanished = true;
    },
    loseBackup: (id) => {
      for (const lost of [`backups/${id}`, "parts"])
        rmSync(join(repository, name, lost), { recursive: true });
    },
    // Led nowhere, nothing can be made in it, not even by root.
    refuseRecords: async () => {
      const records = join(repository, name, "records");
      await rm(records, { recursive: true });
      await symlink("/nowhere/at/all", records);
    },
    [Symbol.asyncDispose]: async () => {
      if (!vanished) return;
      await rm(repository, { recursive: true });
      await rename(away, repository);
    },
  };
}

async function failingBucket({ repository }: BackedUp): Promise<FailingPlace> {
  let fate = (_method: string, _path: string): Fate => "pass";
  const { endpoint } = await objectStore();
  const proxy = await httpProxy(endpoint, ({ method, path }) => fate(method, decodeURIComponent(path)));
  return {
    url: repository.replace(endpoint, proxy.endpoint),
    vanish: () => {
      fate = () => ({ refuse: 404, code: "NoSuchBucket" });
    },
    loseBackup: (id) => {
      fate = (_, path) =>
        path.includes(`/backups/${id}/`) || path.includes("/parts/")
          ? { refuse: 404, code: "NoSuchKey" }
          : "pass";
    },
    refuseRecords: async () => {
      fate = (method, path) =>
        method === "PUT" && path.includes("/records/") ? { refuse: 403, code: "AccessDenied" } : "pass";
    },
    [Symbol.asyncDispose]: async () => await proxy[Symbol.asyncDispose](),
  };
}
