import { stat } from "node:fs/promises";
import { errorCode } from "../errors.ts";

/** Whether a path leads to something. Throws where that cannot be told. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}
