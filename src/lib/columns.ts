import { stripVTControlCharacters } from "node:util";

const PLAIN = /^[\x20-\x7e]*$/;
const NOTHING_WIDE = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
// Blocks of East Asian scripts and of pictures that terminals draw two columns wide (Unicode's EastAsianWidth.txt).
const WIDE: readonly (readonly [from: number, to: number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1faff],
  [0x20000, 0x3fffd],
];

/** How many columns of a terminal a text takes; colours take none. */
export function columnsOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let columns = 0;
  for (const character of stripVTControlCharacters(text)) {
    if (!NOTHING_WIDE.test(character)) columns += isWide(character.codePointAt(0) ?? 0) ? 2 : 1;
  }
  return columns;
}

function isWide(point: number): boolean {
  return WIDE.some(([from, to]) => point >= from && point <= to);
}
