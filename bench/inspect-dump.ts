import { DumpInspector } from "../src/engines/archive/inspect-dump.ts";

// How fast a dump's text is read: rows of 100 bytes, in chunks as they come from a pipe.
const row = Buffer.from(`${"x".repeat(99)}\n`);
const chunk = Buffer.concat(Array.from({ length: 655 }, () => row));
const chunks = 30_000;

const inspector = new DumpInspector();
const started = performance.now();
inspector.write(Buffer.from("COPY public.t (x) FROM stdin;\n"));
for (let n = 0; n < chunks; n += 1) inspector.write(chunk);
const seconds = (performance.now() - started) / 1000;
console.log(
  `${Math.round(inspector.bytes / seconds / 1e6)} MB/s over ${Math.round(inspector.bytes / 1e6)} MB`,
);
