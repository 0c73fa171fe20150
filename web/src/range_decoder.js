// The range decoder: from the bytes of the payload to symbols.
//
// `lower` and `point` of the specification only occur as their difference, `offset`, which is always less than `range`.
// Both have 64 bits and are kept as two numbers: what is above the lowest 24 bits, and these. All products and quotients
// are of integers below 2^53, and so exact.

import { TgsError } from "./errors.js";

/** Probabilities are multiples of 2^-24. */
const PRECISION = 2 ** 24;

export class RangeDecoder {
  /** @param {Uint8Array} payload */
  constructor(payload) {
    this.payload = payload;
    this.bytesRead = 0;
    this.scale = 2 ** 40 - 1; // range = 2^24 scale + rangeLow
    this.rangeLow = PRECISION - 1;
    this.offsetHigh = 0;
    this.offsetLow = 0;
    this.readWord();
    this.readWord();
  }

  /** Read four more bytes, the highest first. Bytes past the end read as 0. */
  readWord() {
    let word = 0;
    for (let i = 0; i < 4; i++) word = (word << 8) | this.payload[this.bytesRead++];
    this.offsetHigh = this.offsetHigh * 2 ** 32 + this.offsetLow * 2 ** 8 + (word >>> 24);
    this.offsetLow = word & 0xffffff;
  }

  /**
   * Return a symbol of a distribution.
   *
   * @param {Int32Array} edges [n + 1], from 0 to 2^24
   */
  symbol(edges) {
    if (edges.length === 2) return 0; // certain
    const quotient = this.divide();
    let symbol = 0;
    let above = edges.length - 1;
    while (above - symbol > 1) {
      const middle = (symbol + above) >> 1;
      if (edges[middle] <= quotient) symbol = middle;
      else above = middle;
    }
    this.narrow(edges[symbol], edges[above]);
    return symbol;
  }

  /** Return a symbol of uniform(n), which has the edges e_s = s * floor(2^24 / n) for s < n. */
  uniform(n) {
    if (n === 1) return 0;
    const width = Math.floor(PRECISION / n);
    const symbol = Math.min(Math.floor(this.divide() / width), n - 1);
    this.narrow(symbol * width, symbol === n - 1 ? PRECISION : (symbol + 1) * width);
    return symbol;
  }

  /** Return q = floor(offset / scale), which says where in a distribution a symbol lies. `remainder` is what is left. */
  divide() {
    const { scale } = this;
    // A long division: first the upper 52 bits, then the other 12.
    const upper = this.offsetHigh * 2 ** 12 + (this.offsetLow >>> 12);
    const upperQuotient = Math.floor(upper / scale);
    const rest = (upper - upperQuotient * scale) * 2 ** 12 + (this.offsetLow & 0xfff);
    const restQuotient = Math.floor(rest / scale);
    this.remainder = rest - restQuotient * scale;
    this.q = upperQuotient * 2 ** 12 + restQuotient;
    if (this.q >= PRECISION) throw new TgsError("The payload is damaged: it holds a symbol that cannot be.");
    return this.q;
  }

  /** Go on to the part of the range that is a symbol's: offset -= scale * start, range = scale * (end - start). */
  narrow(start, end) {
    const scaleHigh = Math.floor(this.scale / PRECISION);
    const scaleLow = this.scale % PRECISION;
    const offset = scaleLow * (this.q - start) + this.remainder; // without what scaleHigh makes
    this.offsetHigh = scaleHigh * (this.q - start) + Math.floor(offset / PRECISION);
    this.offsetLow = offset % PRECISION;
    const range = scaleLow * (end - start);
    this.scale = scaleHigh * (end - start) + Math.floor(range / PRECISION);
    this.rangeLow = range % PRECISION;
    if (this.scale < 2 ** 8) {
      this.scale = this.scale * 2 ** 32 + this.rangeLow * 2 ** 8;
      this.rangeLow = 0;
      this.readWord();
    }
  }

  /**
   * Check that the payload is what an encoder writes. Of the integers in [S, S + range) that is the one with the most
   * zero bytes at its end, the smallest if there are several, without these bytes.
   *
   * The bytes read, T, are one of them: S = T - offset. Let T end with `zeros` zero bytes and have `last` before them.
   * Then T - 256^zeros must be less than S, and the next multiple of 256^(zeros + 1) must not be less than S + range.
   */
  finish() {
    const { length } = this.payload;
    const last = this.payload[length - 1];
    const offset = whole(this.offsetHigh, this.offsetLow);
    const room = whole(this.scale, this.rangeLow) - offset;
    const unit = 256n ** BigInt(Math.max(0, Math.min(this.bytesRead - length, 9))); // 256^9 is more than any range
    const isRight = length
      ? last > 0 && length <= this.bytesRead && offset < unit && room <= BigInt(256 - last) * unit
      : offset === 0n;
    if (!isRight) {
      throw new TgsError("The payload is damaged: it holds more or less than the header announces.");
    }
  }
}

function whole(high, low) {
  return BigInt(high) * BigInt(PRECISION) + BigInt(low);
}
