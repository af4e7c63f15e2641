import { registerHooks } from "node:module";

/**
 * Changes one module as it is loaded, for what the program itself has no switch for. For files that `node --import`
 * loads, in every thread, before anything else. Fails when nothing was changed: the module is no longer what it was.
 */
export function replaceSource(url: RegExp, change: (source: string) => string): void {
  registerHooks({
    load(loading, context, nextLoad) {
      const loaded = nextLoad(loading, context);
      if (!url.test(loading)) return loaded;
      const { source: given } = loaded;
      const source = typeof given === "string" ? given : new TextDecoder().decode(given);
      const changed = change(source);
      if (changed === source) throw new Error(`${loading}: there is nothing to replace`);
      return { ...loaded, source: changed };
    },
  });
}
