import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildProgram } from "./build-program.ts";
import { buildWeb } from "./build-web.ts";

/** Builds what the package ships into `dist/`. */
const folder = fileURLToPath(new URL("../dist/", import.meta.url));
await buildProgram(folder);
await buildWeb(join(folder, "web"));
