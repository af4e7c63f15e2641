import { DEMO_NOW, number, pick, pickPart, scaled, uuid } from "./fill.ts";
import { WORDS } from "./words.ts";

// As many lines as a supplier's file has; row numbers become file and line.
const LINES_A_FILE = 500;

/** Statements that fill the data database: about 320,000 rows at scale 1, every time the same. */
export function fillDataSql(scale: number): string[] {
  const imports = scaled(70_000, scale);
  const manufacturers = scaled(600, scale);
  const products = scaled(50_000, scale);
  const departments = WORDS.departments.length;
  const things = WORDS.productThings.length;
  const productName = [WORDS.productQualities, WORDS.productMaterials, WORDS.productThings]
    .map((words, index) => pick(words, "g", 41 + index))
    .join(" || ' ' || ");
  // Categories are the departments, then the things of each department; the salt is the one of the thing in the name.
  const category = `${departments} + 1 + ${number("g", 45, departments)} * ${things} + ${number("g", 43, things)}`;
  return [
    `INSERT INTO workspace.raw_imports (public_id, source, file_name, line, received_at, state, payload, checksum)
     SELECT ${uuid("g", 71)}, ${pick(WORDS.sources, "file", 2)}, 'import-' || file || '.json', 1 + mod(g, ${LINES_A_FILE}),
            ${DEMO_NOW} - interval '3 hours' * (${Math.ceil(imports / LINES_A_FILE)} - file), state, payload,
            sha256(convert_to(payload::text, 'UTF8'))
       FROM (SELECT g, g / ${LINES_A_FILE} AS file,
                    CASE WHEN ${number("g", 3, 40)} = 0 THEN 'rejected'
                         WHEN ${number("g", 4, 30)} = 0 THEN 'new' ELSE 'transformed' END AS state,
                    jsonb_build_object(
                      'supplier', ${pick(WORDS.manufacturers, "g", 5)} || ' ' || ${pick(WORDS.manufacturerKinds, "g", 6)},
                      'article', jsonb_build_object('number', 'A-' || 100000 + g, 'name', ${productName},
                                                    'size', ${pick(WORDS.productSizes, "g", 7)}),
                      'price', jsonb_build_object('currency', ${pick(["EUR", "CHF", "DKK"], "g", 8)},
                                                  'unit_price', round((1 + ${number("g", 9, 90_000)}) / 100.0, 2)),
                      'stock', jsonb_build_array(${number("g", 10, 500)}, ${number("g", 11, 500)}, ${number("g", 12, 90)}),
                      'note', CASE WHEN ${number("g", 13, 9)} = 0 THEN 'see "special terms", § 4 \\ B' END) AS payload
               FROM generate_series(0::bigint, ${imports - 1}) g) AS made
      ORDER BY g`,
    `INSERT INTO workspace.import_errors (raw_import_id, message, context, happened_at)
     SELECT id, ${pick(WORDS.failures, "id", 21)}, jsonb_build_object('line', line, 'article', payload -> 'article'),
            received_at + interval '5 minutes'
       FROM workspace.raw_imports WHERE state = 'rejected' ORDER BY id`,
    `INSERT INTO reference.manufacturers (name, country, website)
     SELECT ${pick(WORDS.manufacturers, "g", 31)} || ' ' || ${pick(WORDS.manufacturerKinds, "g", 32)} || ' ' || g || ' ' ||
              ${pickPart(WORDS.companyForms, "word", "g", 33)}, ${pickPart(WORDS.companyForms, "country", "g", 33)},
            CASE WHEN ${number("g", 35, 4)} > 0 THEN 'https://manufacturer-' || g || '.example' END
       FROM generate_series(1::bigint, ${manufacturers}) g ORDER BY g`,
    `INSERT INTO reference.categories (name)
     SELECT name FROM unnest(ARRAY['${WORDS.departments.join("','")}']) WITH ORDINALITY d (name, n) ORDER BY n`,
    `INSERT INTO reference.categories (parent_id, name)
     SELECT c.id, t.name || 's' FROM reference.categories c,
            unnest(ARRAY['${WORDS.productThings.join("','")}']) WITH ORDINALITY t (name, n) ORDER BY c.id, n`,
    `INSERT INTO reference.products
       (public_id, manufacturer_id, category_id, name, attributes, is_active, created_at, updated_at)
     SELECT ${uuid("g", 41)}, 1 + ${number("g", 44, manufacturers)}, ${category},
            ${productName} || ', ' || size || ', ' || packaging,
            jsonb_build_object('size', size, 'packaging', packaging, 'weight_g', 5 + ${number("g", 46, 4000)}),
            ${number("g", 47, 12)} > 0, created, created + interval '1 hour' * ${number("g", 48, 400)}
       FROM generate_series(1::bigint, ${products}) g,
            LATERAL (SELECT ${pick(WORDS.productSizes, "g", 49)} AS size, ${pick(WORDS.packagings, "g", 50)} AS packaging,
                            ${DEMO_NOW} - interval '1 hour' * (400 + ${number("g", 51, 20_000)}) AS created) AS made
      ORDER BY g`,
    `INSERT INTO reference.product_codes (product_id, kind, code)
     SELECT id, kind, CASE kind WHEN 'gtin' THEN '04' || lpad((id * 97)::text, 12, '0') ELSE 'HND-' || to_hex(id * 31) END
       FROM reference.products, unnest(ARRAY['gtin', 'order']) AS kind ORDER BY id, kind`,
    `INSERT INTO reference.prices (product_id, currency, amount, valid_from, valid_until)
     SELECT id, 'EUR', round((50 + ${number("id", 61, 80_000)}) * (1 + year * 0.035) / 100, 4),
            make_date(2023 + year, 1, 1), CASE WHEN year = 0 THEN make_date(2024, 1, 1) END
       FROM reference.products, generate_series(0, 1) AS year ORDER BY id, year`,
    `INSERT INTO public.schema_migrations
     SELECT '2024' || lpad(g::text, 4, '0'), ${DEMO_NOW} - interval '9 days' * (31 - g) FROM generate_series(1, 30) g`,
    "REFRESH MATERIALIZED VIEW reference.manufacturer_summary",
    "ANALYZE",
  ];
}
