// Decompression of one zlib stream (RFC 1950 and RFC 1951). Browsers have a decompressor of their own, but only one
// that is asynchronous, and it does not say why it refuses a stream. This one says the same as zlib: it reads as far
// before it judges.

const [DAMAGED, TOO_LARGE, ENDED] = ["damaged", "too large", "not one zlib stream"];

const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/**
 * Return what a zlib stream holds.
 *
 * @param {Uint8Array} input
 * @param {number} maxBytes
 * @returns {Uint8Array | "damaged" | "too large" | "not one zlib stream"} or why there is nothing to return: the stream
 *   breaks a rule, holds more than `maxBytes`, or ends before or after the input does
 */
export function inflate(input, maxBytes) {
  let position = 0;
  let buffer = 0; // bits that have been read and not used, the next one the lowest
  let numBits = 0;
  let output = new Uint8Array(Math.min(maxBytes, 4 * input.length));
  let length = 0;

  function byte() {
    if (position === input.length) throw ENDED;
    return input[position++];
  }

  /** Return the next bytes: a checksum is whole before it is right or wrong. */
  function fourBytes() {
    return [byte(), byte(), byte(), byte()];
  }

  /** Return the next bits, at most 13, the first one the lowest. */
  function bits(count) {
    for (; numBits < count; numBits += 8) buffer |= byte() << numBits;
    const value = buffer & ((1 << count) - 1);
    buffer >>= count;
    numBits -= count;
    return value;
  }

  /** Return a symbol of a canonical code. Lengths are tried one after another. */
  function symbol({ counts, symbols, longest }) {
    for (let size = 1, code = 0, first = 0, index = 0; size <= longest; size++) {
      code += bits(1);
      if (code - first < counts[size]) return symbols[index + code - first];
      index += counts[size];
      first = 2 * (first + counts[size]);
      code *= 2;
    }
    throw DAMAGED;
  }

  /** Return a length or a distance, less the smallest one. 2^bitsOfMantissa codes have the same number of extra bits. */
  function number(code, bitsOfMantissa) {
    const extra = Math.max(0, (code >> bitsOfMantissa) - 1);
    const mantissa = extra ? 2 ** bitsOfMantissa + (code % 2 ** bitsOfMantissa) : code;
    return mantissa * 2 ** extra + bits(extra);
  }

  function put(value) {
    if (length === maxBytes) throw TOO_LARGE;
    if (length === output.length) {
      const larger = new Uint8Array(Math.min(maxBytes, 2 * length + 64));
      larger.set(output);
      output = larger;
    }
    output[length++] = value;
  }

  function stored() {
    buffer = numBits = 0;
    let count = byte() + 256 * byte();
    if (byte() + 256 * byte() + count !== 0xffff) throw DAMAGED;
    while (count--) put(byte());
  }

  function compressed(literals, distances) {
    for (;;) {
      const literal = symbol(literals);
      if (literal === 256) return;
      if (literal < 256) {
        put(literal);
        continue;
      }
      if (literal > 285) throw DAMAGED;
      let count = literal === 285 ? 258 : number(literal - 257, 2) + 3;
      const code = symbol(distances);
      if (code > 29) throw DAMAGED;
      const distance = number(code, 1) + 1;
      if (distance > length) throw DAMAGED;
      while (count--) put(output[length - distance]);
    }
  }

  function dynamicCodes() {
    const numLiterals = bits(5) + 257;
    const numDistances = bits(5) + 1;
    const numCodes = bits(4) + 4;
    if (numLiterals > 286 || numDistances > 30) throw DAMAGED;
    const sizes = new Array(19).fill(0);
    for (let i = 0; i < numCodes; i++) sizes[CODE_LENGTH_ORDER[i]] = bits(3);
    // zlib takes a code without symbols for zeros, and refuses them when they are read.
    const code = sizes.some(Boolean) ? codeOf(sizes) : { counts: [0, 2], symbols: [0, 0], longest: 1 };
    const all = [];
    while (all.length < numLiterals + numDistances) {
      const size = symbol(code);
      if (size < 16) all.push(size);
      else if (size > 16) all.push(...new Array(size === 17 ? 3 + bits(3) : 11 + bits(7)).fill(0));
      else all.push(...new Array(3 + bits(2)).fill(all.at(-1)));
      if (all[0] === undefined) throw DAMAGED; // the first size repeats one before it
    }
    if (all.length > numLiterals + numDistances || !all[256]) throw DAMAGED;
    return [codeOf(all.slice(0, numLiterals), true), codeOf(all.slice(numLiterals), true)];
  }

  function stream() {
    const head = 256 * byte() + byte();
    const hasDictionary = head & 32;
    if (head % 31 || (head & 0x8f00) !== 0x800 || (hasDictionary && fourBytes())) throw DAMAGED;
    let isLast;
    do {
      isLast = bits(1);
      const type = bits(2);
      if (type === 0) stored();
      else if (type === 1) compressed(...fixedCodes());
      else if (type === 2) compressed(...dynamicCodes());
      else throw DAMAGED;
    } while (!isLast);
    output = output.subarray(0, length);
    const checksum = adler32(output);
    if (fourBytes().some((value, i) => value !== ((checksum >> (24 - 8 * i)) & 255))) throw DAMAGED;
    if (position < input.length) throw ENDED;
    return output;
  }

  try {
    return stream();
  } catch (reason) {
    if (reason instanceof Error) throw reason;
    return reason;
  }
}

/**
 * Return a canonical code: how many symbols have each size, the symbols by size, and the largest size there is.
 *
 * @param {number[]} sizes in bits, of each symbol; 0 if it does not occur
 * @param {boolean} [maybeOne] whether there may be one symbol, with one bit, or none
 */
function codeOf(sizes, maybeOne) {
  const counts = new Array(16).fill(0);
  for (const size of sizes) counts[size]++;
  let room = 1; // codes of a size that do not begin with the code of a symbol
  let symbols = [];
  for (let size = 1; size < 16; size++) {
    room = 2 * room - counts[size];
    if (room < 0) throw DAMAGED;
    if (counts[size]) sizes.forEach((own, symbol) => own === size && symbols.push(symbol));
  }
  const isOne = maybeOne && symbols.length === counts[1] && counts[1] < 2;
  if (room && !isOne) throw DAMAGED;
  const longest = Math.max(1, ...sizes);
  return { counts, symbols, longest };
}

function fixedCodes() {
  const sizes = Array.from({ length: 288 }, (_, symbol) =>
    symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
  );
  return [codeOf(sizes), codeOf(new Array(32).fill(5))];
}

function adler32(bytes) {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return (b << 16) | a;
}
