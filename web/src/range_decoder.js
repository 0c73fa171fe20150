// The range decoder: from the bytes of the payload to symbols.
//
// `lower` and `point` of the specification only occur as their difference, `offset`, which is always less than `range`.
// Both have 64 bits and are kept as two numbers: what is above the lowest 24 bits, and these. All products and quotients
// are of integers below 2^53, and so exact.

import { TgsError } from "./errors.js";

/** Probabilities are multiples of 2^-24. */
const PRECISION = 2 ** 24;

/** Return functions that read a payload: `symbol`, `uniform`, and `finish` at its end. */
export function rangeDecoder(payload) {
  let bytesRead = 0;
  let scale = 2 ** 40 - 1; // range = 2^24 scale + rangeLow
  let rangeLow = PRECISION - 1;
  let offsetHigh = 0;
  let offsetLow = 0;
  let quotient; // offset = scale quotient + remainder
  let remainder;

  /** Read four more bytes, the highest first. Bytes past the end read as 0. */
  function readWord() {
    let word = 0;
    for (let i = 0; i < 4; i++) word = (word << 8) | payload[bytesRead++];
    offsetHigh = offsetHigh * 2 ** 32 + offsetLow * 2 ** 8 + (word >>> 24);
    offsetLow = word & 0xffffff;
  }

  /** Divide the offset by the scale, and return the quotient: it is where in a distribution the symbol lies. */
  function divide() {
    // A long division: first the upper 52 bits, then the other 12.
    const upper = offsetHigh * 2 ** 12 + (offsetLow >>> 12);
    const upperQuotient = Math.floor(upper / scale);
    const rest = (upper - upperQuotient * scale) * 2 ** 12 + (offsetLow & 0xfff);
    const restQuotient = Math.floor(rest / scale);
    remainder = rest - restQuotient * scale;
    quotient = upperQuotient * 2 ** 12 + restQuotient;
    if (quotient >= PRECISION) throw new TgsError("The payload is damaged: it holds a symbol that cannot be.");
    return quotient;
  }

  /** Go on to the part of the range that is a symbol's: offset -= scale * start, range = scale * (end - start). */
  function narrow(start, end) {
    const scaleHigh = Math.floor(scale / PRECISION);
    const scaleLow = scale % PRECISION;
    const low = scaleLow * (quotient - start) + remainder;
    offsetHigh = scaleHigh * (quotient - start) + Math.floor(low / PRECISION);
    offsetLow = low % PRECISION;
    rangeLow = scaleLow * (end - start);
    scale = scaleHigh * (end - start) + Math.floor(rangeLow / PRECISION);
    rangeLow %= PRECISION;
    if (scale < 2 ** 8) {
      scale = scale * 2 ** 32 + rangeLow * 2 ** 8;
      rangeLow = 0;
      readWord();
    }
  }

  /**
   * Return a symbol of a distribution.
   *
   * @param {Int32Array} edges [n + 1], from 0 to 2^24
   */
  function symbol(edges) {
    if (edges.length === 2) return 0; // certain
    divide();
    let found = 0;
    let above = edges.length - 1;
    while (above - found > 1) {
      const middle = (found + above) >> 1;
      if (edges[middle] <= quotient) found = middle;
      else above = middle;
    }
    narrow(edges[found], edges[above]);
    return found;
  }

  /** Return a symbol of uniform(n), which has the edges e_s = s * floor(2^24 / n) for s < n. */
  function uniform(n) {
    if (n === 1) return 0;
    const width = Math.floor(PRECISION / n);
    const found = Math.min(Math.floor(divide() / width), n - 1);
    narrow(found * width, found === n - 1 ? PRECISION : (found + 1) * width);
    return found;
  }

  /**
   * Check that the payload is what an encoder writes. Of the integers in [S, S + range) that is the one with the most
   * zero bytes at its end, the smallest if there are several, without these bytes.
   *
   * The bytes read, T, are one of them: S = T - offset. Let T end with `zeros` zero bytes and have `last` before them.
   * Then T - 256^zeros must be less than S, and the next multiple of 256^(zeros + 1) must not be less than S + range.
   */
  function finish() {
    const { length } = payload;
    const last = payload[length - 1];
    const offset = whole(offsetHigh, offsetLow);
    const room = whole(scale, rangeLow) - offset;
    const unit = 256n ** BigInt(Math.max(0, Math.min(bytesRead - length, 9))); // 256^9 is more than any range
    const isRight = length
      ? last > 0 && length <= bytesRead && offset < unit && room <= BigInt(256 - last) * unit
      : offset === 0n;
    if (!isRight) {
      throw new TgsError("The payload is damaged: it holds more or less than the header announces.");
    }
  }

  readWord();
  readWord();
  return { symbol, uniform, finish };
}

function whole(high, low) {
  return BigInt(high) * BigInt(PRECISION) + BigInt(low);
}
