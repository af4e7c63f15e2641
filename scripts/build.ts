import { fileURLToPath } from "node:url";
import { buildProgram } from "./build-program.ts";
import { buildWeb } from "./build-web.ts";

/** Builds what the package ships into `dist/`. */
await buildProgram(fileURLToPath(new URL("../dist", import.meta.url)));
await buildWeb();
