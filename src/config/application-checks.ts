import { asBlock } from "./cross-checks.ts";
import type { Finding } from "./describe-issue.ts";
import { formatPath } from "./problems.ts";

/**
 * A variable needs a file to be in, and one that two databases shared could lead to only one of them. Works on the values as
 * they were written.
 */
export function checkVariables(root: unknown): Finding[] {
  const { databases, application: common } = asBlock(root);
  const taken = new Map<string, string>();
  return Object.entries(asBlock(databases)).flatMap(([name, database]): Finding[] => {
    const { variable, application = common } = asBlock(database);
    if (typeof variable !== "string") return [];
    const path = ["databases", name, "variable"];
    const { envFile } = asBlock(application);
    if (typeof envFile !== "string") {
      const message =
        `${formatPath(path)} is \`${variable}\`, but its application has no \`envFile\` to look for it in; ` +
        "add the path of the application's `.env` there";
      return [{ path, part: "value", message }];
    }
    const place = JSON.stringify([envFile, variable]);
    const other = taken.get(place);
    if (other === undefined) {
      taken.set(place, name);
      return [];
    }
    const message = `${formatPath(path)} is \`${variable}\`, which holds the URL of \`${other}\` in the same file`;
    return [{ path, part: "value", message }];
  });
}
