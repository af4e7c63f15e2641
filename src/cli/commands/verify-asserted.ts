import { type Asserted, assertionOf } from "../../config/assertions.ts";
import { parseReferences } from "../../config/interpolate.ts";
import { AppError } from "../../errors.ts";
import type { ProofLevel } from "../../repository/proof-file.ts";
import type { Target } from "../targets.ts";

interface Options {
  readonly level?: ProofLevel;
  readonly expect?: readonly string[];
}

/** The level that must be reached; undefined: whatever is possible. Fails with `usage` where it has no use for `--expect`. */
export function askedLevel({ level, expect }: Options): ProofLevel | undefined {
  if (expect === undefined) return level;
  if (level === undefined || level === "assertions") return "assertions";
  throw new AppError("usage", `verify: \`--expect\` asks more than \`--level ${level}\` does`, {
    hint: "leave one of them out",
  });
}

/** What the strategy asserts, and the queries of the command line. */
export function assertedOf({ name, entry }: Target, { expect = [] }: Options): Asserted {
  const { assertions, application } = entry?.asserted ?? { assertions: [], application: undefined };
  const url = parseReferences(entry?.url.text ?? "");
  const references =
    "pieces" in url ? url.pieces.flatMap((one) => (typeof one === "string" ? [] : one.name)) : [];
  const live = application?.environment.find((variable) => references.includes(variable));
  if (live !== undefined) {
    throw new AppError(
      "strategy_invalid",
      `verify ${name}: its application would get \`${live}\`, which leads to the live database`,
      { hint: "take it out of `trial.environment`: the URL of the restored copy is in `databaseVariable`" },
    );
  }
  return { assertions: [...assertions, ...expect.map(assertionOf)], application };
}

/** The level of a check that asks for this; undefined takes the strongest that there is something for. */
export function levelFor(asked: ProofLevel | undefined, { assertions, application }: Asserted): ProofLevel {
  const isAsserted = assertions.length > 0 || application !== undefined;
  if (asked === "assertions" && !isAsserted) {
    throw new AppError("usage", "nothing is asserted of it", {
      hint: "write `assertions: [{ expect: … }]` under the database in the strategy, or give `--expect SQL`",
    });
  }
  return asked ?? (isAsserted ? "assertions" : "content");
}
