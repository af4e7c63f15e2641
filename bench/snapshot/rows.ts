import { Random } from "./random.ts";
import { WORDS } from "./words.ts";

// Rows as COPY text. Sizes are those of the text written here; jsonb comes out some per cent longer than it went in.

const FIRST_DAY = Date.UTC(2022, 0, 1);
const MINUTE = 60_000;

const stamp = (at: number): string => new Date(at).toISOString().replace("T", " ").replace("Z", "+00");
const price = (random: Random, most: number): string => (random.below(most * 100) / 100 + 0.5).toFixed(2);
const hex = (random: Random): string =>
  random
    .below(2 ** 32)
    .toString(16)
    .padStart(8, "0");
const thing = (random: Random): string =>
  `${random.pick(WORDS.qualities)} ${random.pick(WORDS.materials)} ${random.pick(WORDS.things)}`;

/** Files as suppliers send them: 12 to 40 articles each as JSON, 3 to 12 kB, and of some the lines it was made from. */
export function* importRows(): Generator<string> {
  const random = new Random(1);
  for (let id = 1; ; id++) {
    const articles: string[] = [];
    const lines: string[] = [];
    for (let left = 12 + random.below(29); left > 0; left--) {
      const number = `${random.pick(WORDS.suppliers).slice(0, 2).toUpperCase()}-${random.below(9_000_000)}`;
      const name = thing(random);
      const unit = price(random, 900);
      const colour = random.pick(WORDS.colours);
      articles.push(
        `{"number": "${number}", "name": "${name}", "ean": "40${random.below(1e9)}${random.below(10)}", ` +
          `"price": {"currency": "${random.pick(WORDS.currencies)}", "unit": ${unit}}, ` +
          `"stock": [${random.below(500)}, ${random.below(90)}, ${random.below(20)}], ` +
          `"attributes": {"colour": "${colour}", "weight_g": ${5 + random.below(4000)}, "lot": "${hex(random)}"}, ` +
          `"text": "${random.pick(WORDS.phrases)}"}`,
      );
      if (id % 4 === 0) lines.push(`${number};${name};${colour};${unit}`);
    }
    const supplier = random.pick(WORDS.suppliers);
    yield `${id}\t${random.pick(WORDS.sources)}\t${supplier}-${random.below(4000)}.json\t${stamp(FIRST_DAY + id * 11 * MINUTE)}\t` +
      `${random.pick(WORDS.states)}\t{"supplier": "${supplier}", "articles": [${articles.join(", ")}]}\t` +
      `${lines.length === 0 ? "\\N" : lines.join("\\n")}\n`;
  }
}

/** Articles: some 400 bytes of text, numbers and times each. */
export function* productRows(): Generator<string> {
  const random = new Random(2);
  for (let id = 1; ; id++) {
    const created = FIRST_DAY + random.below(1_000_000) * MINUTE;
    yield `${id}\t${random.pick(WORDS.suppliers).slice(0, 3).toUpperCase()}-${hex(random)}-${id}\t${thing(random)} ${random.below(900)}\t` +
      `${random.pick(WORDS.phrases)} ${random.pick(WORDS.phrases)} ${random.pick(WORDS.phrases)}\t` +
      `${random.pick(WORDS.things)}s\t${random.pick(WORDS.suppliers)}\t${price(random, 2000)}\t${5 + random.below(9000)}\t` +
      `{"lot": "${hex(random)}", "colour": "${random.pick(WORDS.colours)}", "sterile": ${random.below(2) === 0}}\t` +
      `${random.below(12) > 0 ? "t" : "f"}\t${stamp(created)}\t${stamp(created + random.below(500_000) * MINUTE)}\n`;
  }
}

/** Movements of stock: some 60 bytes each, in the order of time. */
export function* movementRows(products: number): Generator<string> {
  const random = new Random(3);
  let at = FIRST_DAY;
  for (let id = 1; ; id++) {
    at += 1 + random.below(30_000);
    yield `${id}\t${1 + random.below(products)}\t${1 + random.below(400)}\t${random.below(200) - 60}\t${price(random, 900)}\t${stamp(at)}\t${random.below(6)}\n`;
  }
}
