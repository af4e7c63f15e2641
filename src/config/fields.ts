import { z } from "zod";

/** A refinement from a function that says what is wrong. */
export function checked(problemOf: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}

// Labels appear in commands, crontabs and file names, where spaces, quotes and `%` hurt.
/** A short name: letters, digits, `.`, `_` and `-`. */
export const label = () =>
  checked((text) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)
      ? undefined
      : "must be a short name of letters, digits, `.`, `_` and `-`",
  );

/** A text that is not empty. */
export const text = () => z.string().min(1);

/** The name of an environment variable that may be set for a program of somebody else. */
export const environmentVariable = () =>
  z
    .string()
    .regex(/^[A-Za-z_]\w*$/, "must be the name of an environment variable")
    .refine((name) => !/^(PG|HANDLED_)/.test(name), "must not begin with `PG` or `HANDLED_`");
