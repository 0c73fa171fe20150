// Decompression of one zlib stream (RFC 1950 and RFC 1951). Browsers have a decompressor of their own, but only one
// that is asynchronous, and it does not say why it refuses a stream. This one says the same as zlib: it reads as far
// before it judges.

import { LimitError, TgsError } from "./errors.js";

// Of a stream, which may have empty ones. Encoders put thousands of symbols into a block.
const MAX_BLOCKS = 2 ** 16;

const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/**
 * Return what a zlib stream holds.
 *
 * @param {Uint8Array} input
 * @param {number} maxBytes
 * @param {string} name of the stream, for errors: it breaks a rule, or ends before or after the input does, or holds
 *   more than `maxBytes`, or has too many blocks
 */
export function inflate(input, maxBytes, name) {
  let position = 0; // in bits
  let output = new Uint8Array(1024);
  let length = 0;
  let fixed; // the fixed codes, once a block has them

  function refuse(why) {
    throw new TgsError(`The file is invalid: its ${name} ${why}.`);
  }

  function damaged() {
    refuse("cannot be decompressed");
  }

  /** Return the next bits, the first one the lowest. */
  function bits(count) {
    let value = 0;
    for (let i = 0; i < count; i++, position++) {
      if (position === 8 * input.length) refuse("is not one zlib stream");
      value |= ((input[Math.floor(position / 8)] >> (position % 8)) & 1) << i;
    }
    return value;
  }

  /** Return a number of the frame around the compressed data: two bytes, the highest first. */
  function word() {
    return 256 * bits(8) + bits(8);
  }

  function skipToByte() {
    position = 8 * Math.ceil(position / 8);
  }

  /**
   * Return a canonical code: a map to each symbol from its path, the number whose binary digits are 1 and its bits.
   *
   * @param {number[]} sizes in bits, of each symbol; 0 if it does not occur
   * @param {boolean} [maybeOne] whether there may be one symbol, with one bit, or none
   */
  function codeOf(sizes, maybeOne) {
    const code = new Map();
    let path = 1;
    let size = 0;
    const symbols = [...sizes.keys()].filter((symbol) => sizes[symbol]);
    for (const symbol of symbols.sort((one, other) => sizes[one] - sizes[other])) {
      for (; size < sizes[symbol]; size++) path *= 2;
      code.set(path++, symbol);
    }
    // All paths lead to a symbol, and no two to the same.
    const isWhole = path === 2 ** (size + 1);
    if (!isWhole && !(maybeOne && code.size < 2 && size < 2)) damaged();
    return code;
  }

  function symbolOf(code) {
    for (let path = 2 + bits(1); ; path = 2 * path + bits(1)) {
      if (code.has(path)) return code.get(path);
      if (code.size < 2) damaged();
    }
  }

  /** Return a length or a distance, less the smallest one. 2^bitsOfMantissa codes have the same number of extra bits. */
  function number(code, bitsOfMantissa) {
    const extra = Math.max(0, (code >> bitsOfMantissa) - 1);
    const mantissa = extra ? 2 ** bitsOfMantissa + (code % 2 ** bitsOfMantissa) : code;
    return mantissa * 2 ** extra + bits(extra);
  }

  function put(value) {
    if (length === maxBytes) {
      throw new LimitError(`The file's ${name} is larger than the ${maxBytes} bytes left to it.`);
    }
    if (length === output.length) {
      const smaller = output;
      output = new Uint8Array(2 * length);
      output.set(smaller);
    }
    output[length++] = value;
  }

  function stored() {
    skipToByte();
    let count = bits(16);
    if (count + bits(16) !== 0xffff) damaged();
    while (count--) put(bits(8));
  }

  function compressed([literals, distances]) {
    for (;;) {
      const literal = symbolOf(literals);
      if (literal === 256) return;
      if (literal < 256) {
        put(literal);
        continue;
      }
      if (literal > 285) damaged();
      let count = literal === 285 ? 258 : number(literal - 257, 2) + 3;
      const code = symbolOf(distances);
      if (code > 29) damaged();
      const distance = number(code, 1) + 1;
      if (distance > length) damaged();
      while (count--) put(output[length - distance]);
    }
  }

  function fixedCodes() {
    const sizes = Array.from({ length: 288 }, (_, symbol) =>
      symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
    );
    return [codeOf(sizes), codeOf(new Array(32).fill(5))];
  }

  function dynamicCodes() {
    const numLiterals = bits(5) + 257;
    const numDistances = bits(5) + 1;
    const numCodes = bits(4) + 4;
    if (numLiterals > 286 || numDistances > 30) damaged();
    const sizesOfSizes = new Array(19).fill(0);
    for (const size of CODE_LENGTH_ORDER.slice(0, numCodes)) sizesOfSizes[size] = bits(3);
    // zlib takes a code without symbols for zeros, and refuses them when they are read.
    const code = sizesOfSizes.some(Boolean) ? codeOf(sizesOfSizes) : new Map([2, 3].map((path) => [path, 0]));
    const sizes = [];
    while (sizes.length < numLiterals + numDistances) {
      const symbol = symbolOf(code);
      // 16 repeats the last size; 17 and 18 stand for several zeros.
      const [size, least, extra] = [
        [sizes.at(-1), 3, 2],
        [0, 3, 3],
        [0, 11, 7],
      ][symbol - 16] ?? [symbol, 1, 0];
      for (let count = least + bits(extra); count--;) sizes.push(size ?? damaged());
    }
    if (sizes.length > numLiterals + numDistances || !sizes[256]) damaged();
    return [codeOf(sizes.slice(0, numLiterals), true), codeOf(sizes.slice(numLiterals), true)];
  }

  const head = word();
  if (head % 31 || (head & 0x8f00) !== 0x800) damaged();
  if (head & 32) {
    bits(32); // the checksum of a dictionary, which there is not
    damaged();
  }
  let isLast;
  let numBlocks = 0;
  do {
    if (++numBlocks > MAX_BLOCKS) throw new LimitError(`The file's ${name} has too many blocks.`);
    isLast = bits(1);
    const type = bits(2);
    if (type === 0) stored();
    else if (type === 3) damaged();
    else compressed(type === 1 ? (fixed ??= fixedCodes()) : dynamicCodes());
  } while (!isLast);
  output = output.slice(0, length);
  skipToByte();
  if (2 ** 16 * word() + word() !== adler32(output)) damaged();
  if (position < 8 * input.length) refuse("is not one zlib stream");
  return output;
}

function adler32(bytes) {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return 2 ** 16 * b + a;
}
