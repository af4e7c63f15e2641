import { escapeHtml } from "../lib/html.ts";

// What of OpenAPI 3.1 (spec.openapis.org/oas/v3.1) and JSON Schema 2020-12 our own document has.

interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>;

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly description?: string;
    readonly schema?: Schema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses?: Readonly<
    Record<string, { readonly description?: string; readonly content?: Content }>
  >;
}

/** An OpenAPI document, as far as the page shows it. */
export interface ApiDocument {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** A page that says what the document does, for people: it runs no script and loads nothing. */
export function docsPage({ info, paths = {} }: ApiDocument): string {
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      id: `${method}${path.replaceAll(/[^a-z]+/gi, "-")}`,
      operation,
    })),
  );
  const list = all.map(({ name, id, operation: { summary = "" } }) =>
    row([`<a href="#${escapeHtml(id)}"><code>${escapeHtml(name)}</code></a>`, escapeHtml(summary)]),
  );
  return [
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(info.title)}: the HTTP API</title><style>${STYLE}</style></head><body><main>`,
    `<h1>${escapeHtml(info.title)} ${escapeHtml(info.version)}: the HTTP API</h1>`,
    `<p>${escapeHtml(info.description ?? "")} The same for programs: <a href="/api/openapi.json">openapi.json</a>.</p>`,
    `<table><tbody>${list.join("\n")}</tbody></table>`,
    ...all.map(({ name, id, operation }) => section(name, id, operation)),
    "</main></body></html>\n",
  ].join("\n");
}

function section(name: string, id: string, operation: Operation): string {
  const { summary = "", description = "", parameters = [], requestBody, responses = {} } = operation;
  const taken = parameters.map((one) =>
    row([
      `<code>${escapeHtml(one.name)}</code>`,
      `${one.in}${one.required === true ? "" : ", may be left out"}`,
      say({ ...one.schema, description: one.description ?? one.schema?.description ?? "" }),
    ]),
  );
  return [
    `<section id="${escapeHtml(id)}"><h2><code>${escapeHtml(name)}</code></h2>`,
    `<p>${escapeHtml(summary)}. ${escapeHtml(description)}</p>`,
    taken.length === 0 ? "" : `<table><tbody>${taken.join("\n")}</tbody></table>`,
    requestBody === undefined ? "" : contents("Takes", requestBody.content),
    ...Object.entries(responses)
      .filter(([status]) => status.startsWith("2"))
      .map(([status, { content = {} }]) => contents(`Answers, with ${status}`, content)),
    "</section>",
  ].join("\n");
}

function contents(what: string, content: Content): string {
  return Object.entries(content)
    .map(
      ([type, { schema = {} }]) =>
        `<details><summary>${escapeHtml(what)}: ${escapeHtml(type)}</summary>${tree(schema)}</details>`,
    )
    .join("\n");
}

/** A schema with all that is in it. */
function tree(schema: Schema): string {
  const inside = insideOf(schema);
  return `<div>${say(schema)}${inside === "" ? "" : `<ul>${inside}</ul>`}</div>`;
}

function insideOf({
  properties = {},
  required = [],
  items,
  anyOf,
  oneOf,
  additionalProperties,
}: Schema): string {
  const fields = Object.entries(properties).map(([key, of]) => {
    const optional = required.includes(key) ? "" : " (may be left out)";
    return `<li><code>${escapeHtml(key)}</code>${optional}: ${tree(of)}</li>`;
  });
  const choices = (anyOf ?? oneOf ?? []).filter(({ type }) => type !== "null");
  return [
    ...fields,
    ...(items === undefined ? [] : [`<li>each: ${tree(items)}</li>`]),
    ...(typeof additionalProperties === "object"
      ? [`<li>each value: ${tree(additionalProperties)}</li>`]
      : []),
    ...choices.map((choice) => `<li>${choices.length > 1 ? "or " : ""}${tree(choice)}</li>`),
  ].join("\n");
}

/** What a schema is, in words. */
function say({ type, format, pattern, description, minimum, maximum, ...of }: Schema): string {
  const choices = of.anyOf ?? of.oneOf ?? [];
  const kinds = [...(type === undefined ? [] : [type].flat()), ...choices.flatMap((one) => one.type ?? [])];
  const words = [...new Set(of.const === undefined ? kinds : [literal(of.const)])].join(" or ");
  const limits = [
    format,
    format === undefined && pattern !== undefined ? pattern : undefined,
    of.enum?.map(literal).join(", "),
    minimum !== undefined && minimum > -1e15 ? `from ${minimum}` : undefined,
    maximum !== undefined && maximum < 1e15 ? `to ${maximum}` : undefined,
    of.default === undefined ? undefined : `${literal(of.default)} where left out`,
  ].filter((one) => one !== undefined);
  const told = `${words}${limits.length === 0 ? "" : ` (${limits.join("; ")})`}`;
  return `<span class="type">${escapeHtml(told)}</span> ${escapeHtml(description ?? of.title ?? "")}`;
}

const literal = (value: unknown): string => JSON.stringify(value);

const row = (cells: readonly string[]): string =>
  `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;

const STYLE = `
:root { color-scheme: light dark; }
body { margin: 0; background: Canvas; color: CanvasText; font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .3rem; padding-top: .6rem; border-top: 1px solid GrayText; }
table { border-collapse: collapse; width: 100%; }
td { vertical-align: top; padding: .15rem .8rem .15rem 0; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .9em; }
ul { margin: 0; padding-inline-start: 1.2rem; }
li > div { display: inline; }
.type { font-style: italic; }
summary { cursor: pointer; font-weight: 600; padding: .2rem 0; }
`;
