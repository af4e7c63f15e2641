import { replaceSource } from "./snapshot/replace-source.ts";

// Loaded into the program before it starts: it then cuts tables into ranges of one block, so that a gigabyte has as many
// ranges and parts as terabytes have.

replaceSource(/\/engines\/snapshot\/tables\.[jt]s$/, (source) =>
  source.replace(/const RANGE_BLOCKS = \d+;/, "const RANGE_BLOCKS = 1;"),
);
