/**
 * The few WebAssembly instructions the row digest needs, by their codes in the WebAssembly core specification, and the binary
 * format around them. Each function returns the code of one expression or statement, so that a program made of them reads from
 * outside in.
 */
export type Code = readonly number[];

/** What a module begins with: its magic number and version 1. */
export const MODULE: Code = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
export const I32 = 0x7f;
export const I64 = 0x7e;
const NO_VALUE = 0x40;

export function get(local: number): Code {
  return [0x20, ...unsigned(local)];
}

export function set(local: number, value: Code): Code {
  return [...value, 0x21, ...unsigned(local)];
}

export function global(index: number): Code {
  return [0x23, ...unsigned(index)];
}

export function setGlobal(index: number, value: Code): Code {
  return [...value, 0x24, ...unsigned(index)];
}

/** Eight bytes, lowest first, from any address. */
export function load(address: Code, offset: number): Code {
  return [...address, 0x29, 0, ...unsigned(offset)];
}

export function int(value: number): Code {
  return [0x41, ...signed(BigInt(value))];
}

export function long(value: bigint): Code {
  return [0x42, ...signed(BigInt.asIntN(64, value))];
}

export function isZero(value: Code): Code {
  return [...value, 0x50];
}

/** Of two 64-bit numbers. */
export function below(a: Code, b: Code): Code {
  return [...a, ...b, 0x54];
}

/** Of two 32-bit numbers, as are `notBelow` and `plus32`. */
export function above(a: Code, b: Code): Code {
  return [...a, ...b, 0x4b];
}

export function notBelow(a: Code, b: Code): Code {
  return [...a, ...b, 0x4f];
}

export function plus32(a: Code, b: Code): Code {
  return [...a, ...b, 0x6a];
}

export function countTrailingZeros(value: Code): Code {
  return [...value, 0x7a];
}

export function plus(a: Code, b: Code): Code {
  return [...a, ...b, 0x7c];
}

export function minus(a: Code, b: Code): Code {
  return [...a, ...b, 0x7d];
}

export function times(a: Code, b: Code): Code {
  return [...a, ...b, 0x7e];
}

export function and(a: Code, b: Code): Code {
  return [...a, ...b, 0x83];
}

export function or(a: Code, b: Code): Code {
  return [...a, ...b, 0x84];
}

export function xor(a: Code, b: Code): Code {
  return [...a, ...b, 0x85];
}

export function shiftRight(value: Code, by: bigint): Code {
  return [...value, ...long(by), 0x88];
}

export function rotateLeft(value: Code, by: bigint): Code {
  return [...value, ...long(by), 0x89];
}

/** 64 bits to 32, and back. */
export function wrap(value: Code): Code {
  return [...value, 0xa7];
}

export function extend(value: Code): Code {
  return [...value, 0xad];
}

export function block(...body: Code): Code {
  return [0x02, NO_VALUE, ...body, 0x0b];
}

export function loop(...body: Code): Code {
  return [0x03, NO_VALUE, ...body, 0x0b];
}

export function when(condition: Code, ...body: Code): Code {
  return [...condition, 0x04, NO_VALUE, ...body, 0x0b];
}

export function ifElse(condition: Code, yes: Code, no: Code): Code {
  return [...condition, 0x04, NO_VALUE, ...yes, 0x05, ...no, 0x0b];
}

export function again(depth: number): Code {
  return [0x0c, ...unsigned(depth)];
}

export function leaveIf(depth: number, condition: Code): Code {
  return [...condition, 0x0d, ...unsigned(depth)];
}

// The binary format around them.

export function section(id: number, content: Code): Code {
  return [id, ...sized(content)];
}

export function sized(content: Code): Code {
  return [...unsigned(content.length), ...content];
}

export function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

export function text(value: string): Code {
  return sized([...new TextEncoder().encode(value)]);
}

/** LEB128: seven bits a byte, the lowest first; the highest bit says that more follow. */
export function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: bigint): Code {
  const low = Number(value & 0x7fn);
  const rest = value >> 7n;
  const last = rest === ((low & 0x40) === 0 ? 0n : -1n);
  return last ? [low] : [low | 0x80, ...signed(rest)];
}
