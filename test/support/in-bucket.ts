import { KEY_VARIABLES } from "./ceph.ts";

/** Whether HANDLED_TEST_PLACE asks for buckets where tests otherwise have folders. */
export function inBucket(): boolean {
  return process.env["HANDLED_TEST_PLACE"] === "bucket";
}

/** With which the program finds the keys of these buckets. */
export function bucketEnvironment(): Readonly<Record<string, string>> {
  return inBucket() ? KEY_VARIABLES : {};
}
