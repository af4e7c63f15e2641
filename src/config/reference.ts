import { asSchema, type JsonSchema, strategyJsonSchema } from "./json-schema.ts";
import { strategyTemplate } from "./template.ts";

/** `docs/reference/config.md`: every key of the strategy, made from its schema. */
export function strategyReference(): string {
  const sections = collectSections(strategyJsonSchema());
  return (
    [INTRODUCTION, example(), ...sections.map((section) => renderSection(section, sections))].join("\n\n") +
    "\n"
  );
}

const INTRODUCTION = `# The strategy file

\`handled.yaml\` is looked for in the current folder, then in \`~/.config/handled/\` (\`$XDG_CONFIG_HOME/handled/\`), then in
\`/etc/handled/\`; \`--config FILE\` names another one. \`handled config check\` checks it, and an unknown key is an error.

- **Variables**: \`\${NAME}\` is replaced by an environment variable, \`\${NAME:-default}\` has a fallback for one that is not set
  or empty, and \`$\${\` is a literal \`\${\`. Without quotes the value counts as if it stood in the file. The \`url\` of
  databases and repositories, and the keys of a bucket, are looked up only when they are needed, so that \`handled list\` works without a database's password.
  \`stop\` and \`start\` are given to the shell as they are, and their variables are the shell's. A \`.env\` file is not read.
- **Durations** are numbers with a unit: \`90s\`, \`30m\`, \`24h\`, \`7d\`, \`2w\`, \`1h 30m\`.
- **Schedules** have the five fields of cron: minute, hour, day of month, month, day of week.
- A key without a value is an error: leave the line out instead.`;

function example(): string {
  const { yaml } = strategyTemplate({
    timezone: "Europe/Berlin",
    repository: "/var/backups/handled",
    databases: [
      {
        name: "primary",
        url: "${PRIMARY_DATABASE_URL}",
        schemas: ["config", "customer"],
        criticality: "critical",
        rto: "1h",
        format: "custom",
        schedule: "0 3 * * *",
      },
      { name: "data", url: "service=data", schemas: ["workspace", "reference"] },
    ],
    application: {
      stop: "pm2 stop handled-api",
      start: "pm2 restart handled-api",
      health: "http://127.0.0.1:3000/health",
    },
    contacts: [{ name: "Ada Lovelace", role: "on call", phone: "+44 20 7946 0000" }],
  });
  return `## Example\n\n\`\`\`yaml\n${yaml}\`\`\``;
}

/** An object of the strategy, under the path at which it was met first. */
interface Section {
  readonly path: string;
  readonly schema: JsonSchema;
}

/** All objects, outer ones first; one that may stand in several places is taken once. */
function collectSections(root: JsonSchema): Section[] {
  const sections: Section[] = [];
  let level: Section[] = [{ path: "", schema: root }];
  while (level.length > 0) {
    const found = level.filter(({ schema }) => sectionOf(schema, sections) === undefined);
    sections.push(...found);
    level = found.flatMap(({ path, schema }) =>
      Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
        const inner = innerObject(asSchema(property));
        return inner === undefined
          ? []
          : [{ path: `${path === "" ? "" : `${path}.`}${key}${inner.suffix}`, schema: inner.schema }];
      }),
    );
  }
  return sections;
}

function sectionOf(schema: JsonSchema, sections: readonly Section[]): Section | undefined {
  const text = JSON.stringify(schema.properties);
  return sections.find((section) => JSON.stringify(section.schema.properties) === text);
}

/** The object with keys of its own that a value is, or has by name (`.NAME`), or lists (`[]`). */
function innerObject(schema: JsonSchema | undefined): { schema: JsonSchema; suffix: string } | undefined {
  if (schema?.properties !== undefined) return { schema, suffix: "" };
  const byName = asSchema(schema?.additionalProperties);
  if (byName?.properties !== undefined) return { schema: byName, suffix: ".NAME" };
  const item = asSchema(schema?.items);
  return item?.properties === undefined ? undefined : { schema: item, suffix: "[]" };
}

function renderSection({ path, schema }: Section, sections: readonly Section[]): string {
  const title = path === "" ? "Top level" : `\`${path}\``;
  const rows = Object.entries(schema.properties ?? {}).map(([key, property]) => {
    const inner = asSchema(property) ?? {};
    const isRequired = schema.required?.includes(key) === true;
    const cells = [
      `\`${key}\``,
      typeOf(inner, sections),
      isRequired ? "required" : defaultOf(inner),
      inner.description ?? "",
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return [`## ${title}`, "", "| key | type | default | meaning |", "|---|---|---|---|", ...rows].join("\n");
}

function typeOf(schema: JsonSchema, sections: readonly Section[]): string {
  const inner = innerObject(schema);
  if (inner !== undefined) {
    const { path } = sectionOf(inner.schema, sections) ?? { path: "" };
    const link = `[\`${path}\`](#${path.toLowerCase().replaceAll(/[^a-z]/g, "")})`;
    return (
      { "": `block ${link}`, ".NAME": `blocks by name ${link}`, "[]": `list of ${link}` }[inner.suffix] ??
      link
    );
  }
  if (schema.title !== undefined) return schema.title;
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((choice) => `\`${String(choice)}\``).join(", ");
  if (schema.type === "array") return `list of ${typeOf(asSchema(schema.items) ?? {}, sections)}`;
  if (schema.type === "integer") return `whole number ≥ ${schema.minimum ?? 0}`;
  return schema.format === "email" ? "e-mail address" : "text";
}

function defaultOf({ default: value }: JsonSchema): string {
  if (Array.isArray(value)) return "none";
  return typeof value === "string" || typeof value === "number" ? `\`${value}\`` : "";
}
