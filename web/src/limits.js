// What a file may ask for: the bounds of the format, and the limits of this decoder below them.
// Nothing read from a file sizes an allocation or a loop before it has been checked against them.

import { LimitError, TgsError } from "./errors.js";

export const MAX_SIDE = 65535;
const MAX_GAUSSIANS = 2 ** 24;
const MAX_CODEWORDS = 65536;

/** Limits of the Python package; `maxPairs` is what `pairsAllowed` says unless it is given. */
const DEFAULTS = {
  maxPixels: 89478485,
  maxSide: MAX_SIDE,
  maxGaussians: 400000,
  maxCodewords: 16384,
  maxChunkBytes: 16777216,
  maxPairs: undefined,
};

/** Return limits with all fields; those that are not given are the usual ones, none is above that of the format. */
export function completeLimits(limits) {
  const complete = { ...DEFAULTS };
  for (const [name, most] of Object.entries(limits ?? {})) {
    if (!(name in DEFAULTS)) throw new TgsError(`There is no limit ${name}.`);
    if (most === undefined || most === null) continue;
    // What compares as neither more nor less would let everything through.
    if (!(Number(most) >= 0)) throw new TgsError(`The limit ${name} must be a number from 0, not ${most}.`);
    complete[name] = Number(most);
  }
  complete.maxSide = Math.min(complete.maxSide, MAX_SIDE);
  complete.maxGaussians = Math.min(complete.maxGaussians, MAX_GAUSSIANS);
  complete.maxCodewords = Math.min(complete.maxCodewords, MAX_CODEWORDS);
  return complete;
}

/**
 * Return how large a payload can be: a Gaussian has at most 32 bits for its cell, 33 for each index and 24 for its
 * offset, a codeword at most 12 for each channel and 13 for its place in the order of each.
 */
export function payloadBytesAllowed(numGaussians, numCodewords) {
  return 1024 + 16 * numGaussians + 16 * numCodewords;
}

/** Return how large a file can be that keeps all limits, its alpha plane and metadata included. */
export function fileBytesAllowed(limits) {
  return 1024 + payloadBytesAllowed(limits.maxGaussians, 2 * limits.maxCodewords) + limits.maxChunkBytes;
}

/**
 * Return how many pairs of a Gaussian and a tile of 16 x 16 samples may be drawn. What a file leaves of its Gaussians
 * and of its pixels, it may have in pairs.
 *
 * @param limits complete ones
 * @param {number} numBytes of the file, without its chunks
 * @param {number} numGaussians in all layers
 * @param {number} numPixels of the picture or, if there are more, samples of the whole picture as it is drawn
 * @param {number} numSamples that are drawn, in all layers
 */
export function pairsAllowed(limits, numBytes, numGaussians, numPixels, numSamples) {
  if (limits.maxPairs !== undefined) return Math.min(limits.maxPairs, 2 ** 31 - 1);
  const bySize = 2 ** 22 + 64 * numBytes + Math.floor(Math.min(numPixels, limits.maxPixels) / 8);
  const gaussiansLeft = Math.max(0, limits.maxGaussians - numGaussians);
  const samplesLeft = Math.max(0, 2 * limits.maxPixels - numSamples);
  return Math.min(bySize, 5 * 2 ** 19 + 12 * gaussiansLeft + Math.floor(samplesLeft / 28), 2 ** 31 - 1);
}

/** Throw a LimitError if there is more of something than allowed. */
export function checkMost(value, what, most) {
  if (value > most) throw new LimitError(`The file has ${value} ${what}, more than the ${most} allowed.`);
}
