// Decompression of one zlib stream (RFC 1950 and RFC 1951). Browsers have a decompressor of their own, but only one
// that is asynchronous, and the format wants to know why a stream is refused.

const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** The input ends before the stream does. */
const ENDED = Symbol();
/** The stream holds more than it may. */
const FULL = Symbol();
/** The stream breaks a rule. */
const DAMAGED = Symbol();

// Lengths and distances are a base, and an offset from it of some extra bits.
const lengthExtra = (code) => (code < 4 || code === 28 ? 0 : (code >> 2) - 1);
const lengthBase = (code) => (code < 4 ? code + 3 : code === 28 ? 258 : ((4 + (code & 3)) << lengthExtra(code)) + 3);
const distanceExtra = (code) => (code < 2 ? 0 : (code >> 1) - 1);
const distanceBase = (code) => (code < 4 ? code + 1 : ((2 + (code & 1)) << distanceExtra(code)) + 1);

/**
 * Return what a zlib stream holds.
 *
 * @param {Uint8Array} input
 * @param {number} maxBytes
 * @returns {Uint8Array | "damaged" | "too large" | "not one zlib stream"} or why there is nothing to return: the stream
 *   breaks a rule, holds more than `maxBytes`, or ends before or after the input does
 */
export function inflate(input, maxBytes) {
  try {
    return new Inflater(input, maxBytes).stream();
  } catch (reason) {
    if (reason === DAMAGED) return "damaged";
    if (reason === FULL) return "too large";
    if (reason === ENDED) return "not one zlib stream";
    throw reason;
  }
}

class Inflater {
  constructor(input, maxBytes) {
    this.input = input;
    this.maxBytes = maxBytes;
    this.position = 0;
    this.bitBuffer = this.numBits = 0;
    this.output = new Uint8Array(Math.min(maxBytes, 4 * input.length + 64));
    this.length = 0;
  }

  stream() {
    const head = (this.byte() << 8) | this.byte();
    const hasDictionary = head & 32;
    if (head % 31 || ((head >> 8) & 15) !== 8 || head >> 12 > 7 || hasDictionary) throw DAMAGED;
    let isLast;
    do {
      isLast = this.bits(1);
      const type = this.bits(2);
      if (type === 0) this.stored();
      else if (type === 1) this.compressed(...fixedCodes());
      else if (type === 2) this.compressed(...this.dynamicCodes());
      else throw DAMAGED;
    } while (!isLast);
    this.bitBuffer = this.numBits = 0;
    const content = this.output.subarray(0, this.length);
    let checksum = 0;
    for (let i = 0; i < 4; i++) checksum = checksum * 256 + this.byte();
    if (checksum !== adler32(content)) throw DAMAGED;
    return this.position < this.input.length ? "not one zlib stream" : content;
  }

  byte() {
    if (this.position === this.input.length) throw ENDED;
    return this.input[this.position++];
  }

  /** Return the next bits, at most 16, the first one the lowest. */
  bits(count) {
    while (this.numBits < count) {
      this.bitBuffer |= this.byte() << this.numBits;
      this.numBits += 8;
    }
    const value = this.bitBuffer & ((1 << count) - 1);
    this.bitBuffer >>>= count;
    this.numBits -= count;
    return value;
  }

  /** Return the next symbol of a canonical Huffman code: lengths are tried one after another. */
  symbol({ counts, symbols }) {
    for (let length = 1, code = 0, first = 0, index = 0; length <= 15; length++) {
      code |= this.bits(1);
      const count = counts[length];
      if (code - first < count) return symbols[index + code - first];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw DAMAGED;
  }

  put(byte) {
    if (this.length === this.maxBytes) throw FULL;
    if (this.length === this.output.length) {
      const larger = new Uint8Array(Math.min(this.maxBytes, 2 * this.length));
      larger.set(this.output);
      this.output = larger;
    }
    this.output[this.length++] = byte;
  }

  stored() {
    this.bitBuffer = this.numBits = 0;
    const length = this.byte() | (this.byte() << 8);
    if ((this.byte() | (this.byte() << 8)) !== (~length & 0xffff)) throw DAMAGED;
    for (let i = 0; i < length; i++) this.put(this.byte());
  }

  compressed(lengths, distances) {
    for (;;) {
      const symbol = this.symbol(lengths);
      if (symbol === 256) return;
      if (symbol < 256) {
        this.put(symbol);
        continue;
      }
      if (symbol > 285) throw DAMAGED;
      const length = lengthBase(symbol - 257) + this.bits(lengthExtra(symbol - 257));
      const code = this.symbol(distances);
      if (code > 29) throw DAMAGED;
      const distance = distanceBase(code) + this.bits(distanceExtra(code));
      if (distance > this.length) throw DAMAGED;
      for (let i = 0; i < length; i++) this.put(this.output[this.length - distance]);
    }
  }

  dynamicCodes() {
    const numLengths = this.bits(5) + 257;
    const numDistances = this.bits(5) + 1;
    const numCodes = this.bits(4) + 4;
    if (numLengths > 286 || numDistances > 30) throw DAMAGED;
    const ofCodes = new Uint8Array(19);
    for (let i = 0; i < numCodes; i++) ofCodes[CODE_LENGTH_ORDER[i]] = this.bits(3);
    const code = huffmanCode(ofCodes);
    const all = [];
    while (all.length < numLengths + numDistances) {
      const symbol = this.symbol(code);
      if (symbol < 16) {
        all.push(symbol);
        continue;
      }
      if (symbol === 16 && !all.length) throw DAMAGED;
      const repeated = symbol === 16 ? all[all.length - 1] : 0;
      const times = symbol === 16 ? 3 + this.bits(2) : symbol === 17 ? 3 + this.bits(3) : 11 + this.bits(7);
      for (let i = 0; i < times; i++) all.push(repeated);
    }
    if (all.length > numLengths + numDistances || !all[256]) throw DAMAGED;
    return [huffmanCode(all.slice(0, numLengths), true), huffmanCode(all.slice(numLengths), true)];
  }
}

/**
 * Return a canonical code: how many symbols have each length, and the symbols by length.
 *
 * @param lengths in bits, of each symbol; 0 if it does not occur
 * @param mayBeSingle whether the code may have one symbol only, of one bit, or none
 */
function huffmanCode(lengths, mayBeSingle) {
  const counts = new Uint16Array(16);
  for (const length of lengths) counts[length]++;
  const numSymbols = lengths.length - counts[0];
  counts[0] = 0;
  let room = 1;
  for (let length = 1; length <= 15; length++) {
    room = 2 * room - counts[length];
    if (room < 0) throw DAMAGED;
  }
  if (room > 0 && !(mayBeSingle && numSymbols === counts[1] && numSymbols < 2)) throw DAMAGED;
  const starts = new Uint16Array(17);
  for (let length = 1; length <= 15; length++) starts[length + 1] = starts[length] + counts[length];
  const symbols = new Uint16Array(numSymbols);
  lengths.forEach((length, symbol) => {
    if (length) symbols[starts[length]++] = symbol;
  });
  return { counts, symbols };
}

function fixedCodes() {
  const lengths = Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8));
  return [huffmanCode(lengths), huffmanCode(new Array(32).fill(5))];
}

function adler32(bytes) {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}
