import {
  type Code,
  I32,
  I64,
  MODULE,
  above,
  again,
  and,
  below,
  block,
  countTrailingZeros,
  extend,
  get,
  global,
  ifElse,
  int,
  isZero,
  leaveIf,
  load,
  long,
  loop,
  minus,
  notBelow,
  or,
  plus,
  plus32,
  rotateLeft,
  section,
  set,
  setGlobal,
  shiftRight,
  sized,
  text,
  times,
  unsigned,
  vector,
  when,
  wrap,
  xor,
} from "./wasm-code.ts";

/** Bytes that may be given to one `scan`. Fits the second-level cache with room for the chunk it is copied from. */
export const SCAN_CAPACITY = 256 * 1024;

const PAGE = 64 * 1024;

// Locals of `scan`, numbered as the parameter and then the declarations in `scanFunction`.
const END = 0;
const AT = 1;
const LENGTH_HERE = 2;
const K1 = 3;
const K2 = 4;
const MARKS1 = 5;
const MARKS2 = 6;
const H1 = 7;
const H2 = 8;
const LENGTH = 9;
const ROWS = 10;
const SUM_LOW = 11;
const SUM_HIGH = 12;

/** What survives from one `scan` to the next: global variable, and the local it is held in meanwhile. */
const STATE = [
  { name: "h1", local: H1 },
  { name: "h2", local: H2 },
  { name: "length", local: LENGTH },
  { name: "rows", local: ROWS },
  { name: "sumLow", local: SUM_LOW },
  { name: "sumHigh", local: SUM_HIGH },
] as const;

type ScanState = (typeof STATE)[number]["name"];

// Not zero: with seed 0 the hash of the empty row would be 0 and a sum could not tell how many there are.
export const SEED = 0x48616e64n;
const C1 = 0x87c37b91114253d5n;
const C2 = 0x4cf5ad432745937fn;

/** A running instance of the module. */
export interface Scanner {
  readonly memory: Uint8Array;
  /**
   * Takes the text that lies in `memory` from 0 to `end`, adds up the rows that end there, and returns where the bytes begin
   * (fewer than 16, no line end among them) that have to stand in front of the next text. The 16 bytes after `end` must be zero.
   */
  readonly scan: (end: number) => number;
  /** Before the first text `h1` and `h2` must hold `SEED`, and the others 0. */
  readonly state: Readonly<Record<ScanState, { value: bigint }>>;
}

// What is used of WebAssembly: TypeScript knows it from browsers' types alone.
declare const WebAssembly: {
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object) => { exports: unknown };
};

/**
 * The inner loop of the row digest as a WebAssembly module, put together here instruction by instruction: its arithmetic is
 * 64 bits wide, which JavaScript has only as BigInt, and nothing has to be compiled to build or install it.
 * row-digest.ts says what is computed; k1, k2, h1 and h2 are named as there.
 */
export function createScanner(): Scanner {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(SCANNER_CODE));
  const { memory, scan, ...state } = exports as {
    memory: { buffer: ArrayBuffer };
    scan: Scanner["scan"];
  } & Scanner["state"];
  return { memory: new Uint8Array(memory.buffer), scan, state };
}

function scannerModule(): Uint8Array {
  const scanType = [0x60, ...vector([[I32]]), ...vector([[I32]])];
  const pages = Math.ceil((SCAN_CAPACITY + 16) / PAGE);
  return Uint8Array.from([
    ...MODULE,
    ...section(1, vector([scanType])),
    ...section(3, vector([[0]])),
    ...section(5, vector([[0x01, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(6, vector(STATE.map(() => [I64, 0x01, ...long(0n), 0x0b]))),
    ...section(
      7,
      vector([
        [...text("memory"), 0x02, 0],
        [...text("scan"), 0x00, 0],
        ...STATE.map(({ name }, index) => [...text(name), 0x03, ...unsigned(index)]),
      ]),
    ),
    ...section(10, vector([sized(scanFunction())])),
  ]);
}

function scanFunction(): Code {
  const locals = vector([
    [...unsigned(2), I32],
    [...unsigned(10), I64],
  ]);
  return [
    ...locals,
    ...STATE.flatMap(({ local }, index) => set(local, global(index))),
    ...block(
      ...loop(
        ...leaveIf(1, notBelow(get(AT), get(END))),
        ...set(K1, load(get(AT), 0)),
        ...set(K2, load(get(AT), 8)),
        ...set(MARKS1, lineEnds(get(K1))),
        ...set(MARKS2, lineEnds(get(K2))),
        ...when(
          isZero(or(get(MARKS1), get(MARKS2))),
          // Depths are counted from here: 0 is this branch, 1 the loop, 2 the block around it.
          ...leaveIf(2, above(plus32(get(AT), int(16)), get(END))),
          ...mixBlock(),
          ...set(AT, plus32(get(AT), int(16))),
          ...set(LENGTH, plus(get(LENGTH), long(16n))),
          ...again(1),
        ),
        ...cutAtLineEnd(),
        ...set(LENGTH, plus(get(LENGTH), extend(get(LENGTH_HERE)))),
        ...finishRow(),
        ...set(H1, long(SEED)),
        ...set(H2, long(SEED)),
        ...set(LENGTH, long(0n)),
        ...set(AT, plus32(get(AT), plus32(get(LENGTH_HERE), int(1)))),
        ...again(0),
      ),
    ),
    ...STATE.flatMap(({ local }, index) => setGlobal(index, get(local))),
    ...get(AT),
    0x0b,
  ];
}

/**
 * A number whose lowest set bit is the highest bit of the first byte of `word` that is a line end; 0 when there is none.
 * Only the lowest is exact: the borrow of the subtraction may mark bytes after it.
 */
function lineEnds(word: Code): Code {
  const zeroWhereEqual = xor(word, long(0x0a0a0a0a0a0a0a0an));
  const borrowed = minus(zeroWhereEqual, long(0x0101010101010101n));
  return and(and(borrowed, xor(zeroWhereEqual, long(-1n))), long(0x8080808080808080n));
}

/** The bytes of `word` in front of the line end marked in `marks`; those from it on become zero. */
function before(word: Code, marks: Code): Code {
  const lowest = and(marks, minus(long(0n), marks));
  return and(word, minus(shiftRight(lowest, 7n), long(1n)));
}

function byteOf(marks: Code): Code {
  return wrap(shiftRight(countTrailingZeros(marks), 3n));
}

function cutAtLineEnd(): Code {
  return [
    ...ifElse(
      isZero(get(MARKS1)),
      [...set(LENGTH_HERE, plus32(byteOf(get(MARKS2)), int(8))), ...set(K2, before(get(K2), get(MARKS2)))],
      [
        ...set(LENGTH_HERE, byteOf(get(MARKS1))),
        ...set(K1, before(get(K1), get(MARKS1))),
        ...set(K2, long(0n)),
      ],
    ),
  ];
}

const scrambled1 = times(rotateLeft(times(get(K1), long(C1)), 31n), long(C2));
const scrambled2 = times(rotateLeft(times(get(K2), long(C2)), 33n), long(C1));

function mixBlock(): Code {
  return [
    ...set(H1, plus(rotateLeft(xor(get(H1), scrambled1), 27n), get(H2))),
    ...set(H1, plus(times(get(H1), long(5n)), long(0x52dce729n))),
    ...set(H2, plus(rotateLeft(xor(get(H2), scrambled2), 31n), get(H1))),
    ...set(H2, plus(times(get(H2), long(5n)), long(0x38495ab5n))),
  ];
}

function finishRow(): Code {
  return [
    ...set(H1, xor(xor(get(H1), scrambled1), get(LENGTH))),
    ...set(H2, xor(xor(get(H2), scrambled2), get(LENGTH))),
    ...crossAdd(),
    ...avalanche(H1),
    ...avalanche(H2),
    ...crossAdd(),
    ...set(ROWS, plus(get(ROWS), long(1n))),
    ...set(SUM_LOW, plus(get(SUM_LOW), get(H1))),
    // A sum below what was just added has wrapped around: one is carried.
    ...set(SUM_HIGH, plus(plus(get(SUM_HIGH), get(H2)), extend(below(get(SUM_LOW), get(H1))))),
  ];
}

function crossAdd(): Code {
  return [...set(H1, plus(get(H1), get(H2))), ...set(H2, plus(get(H2), get(H1)))];
}

function avalanche(local: number): Code {
  const folded = xor(get(local), shiftRight(get(local), 33n));
  return [
    ...set(local, times(folded, long(0xff51afd7ed558ccdn))),
    ...set(local, times(folded, long(0xc4ceb9fe1a85ec53n))),
    ...set(local, folded),
  ];
}

// A constant, made once: putting it together takes ten times longer than starting an instance of it. It stands last because
// what it calls needs the constants above.
const SCANNER_CODE = scannerModule();
