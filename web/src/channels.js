// The channels of codewords m, u, v, Y, Co, Cg and z: what values their symbols stand for, and how likely these are.

import { sumsOf } from "./distributions.js";
import { PRIORS_TABLE } from "./priors_table.js";

const M = 0;
const CO = 4;
const CG = 5;
const Z = 6;
export const NUM_CHANNELS = 7;

/** P_0 to P_63 of each channel: how much weight the values have from one 64th of its range to the next. */
const PRIORS = PRIORS_TABLE.split("\n").map((line) => {
  const priors = line.split(",").map((prior) => parseInt(prior || "1", 36));
  return priors.length < 64 ? [...priors, ...priors.slice(0, 31).reverse()] : priors;
});

/** [A, B, U]: the ends of each channel's range, and its largest step. */
const CHANNELS = [
  [-16, 8, 4],
  [-8, 8, 4],
  [-8, 8, 4],
  [-1, 2, 1 / 4],
  [-1, 1, 1 / 4],
  [-1, 1, 1 / 4],
  [-1, 2, 1],
];
/** Those of z if it stands for an opacity. */
const OPACITY = [-8, 8, 4];

/** 2^16 times 2^(-i / 4), rounded. */
const STEPS = [65536, 55109, 46341, 38968];

/**
 * Return the quantiser of a channel.
 *
 * @param {number} channel from 0 for m to 6 for z
 * @param {number} stepCode from 0 to 40
 * @param {number} areaCode from 0 to 47
 * @param header of the file
 * @returns {{value: (symbol: number) => number, sums: number[]}} the value that a symbol stands for, exact, a multiple
 *   of 2^-28; and the weight of all symbols before each of the L symbols, W_0 ... W_L
 */
export function quantizerOf(channel, stepCode, areaCode, { blending, isGray }) {
  if (isGray && (channel === CO || channel === CG)) return { value: () => 0, sums: [0, 1] };
  const isOpacity = channel === Z && blending === "alpha";
  const [lowest, highest, largestStep] = isOpacity ? OPACITY : CHANNELS[channel];
  const step = largestStep * STEPS[stepCode % 4] * 2 ** (-16 - Math.floor(stepCode / 4));
  const low = Math.floor(-lowest / step);
  const numSymbols = low + Math.floor(highest / step) + 1;
  const priors = isOpacity ? new Array(64).fill(1) : PRIORS[channel];
  const before = sumsOf(priors);

  // All numbers here are integers below 2^53.
  const sumBefore = (q) => {
    let x = Math.floor(
      (((2 * (q - low) - 1) * step * 2 ** 28 - lowest * 2 ** 29) * 2 ** 17) / ((highest - lowest) * 2 ** 28),
    );
    if (q === 0) x = 0;
    if (q === numSymbols) x = 2 ** 18;
    const bin = x >> 12;
    return 2 ** 12 * before[bin] + (priors[bin] ?? 0) * (x % 2 ** 12) + q;
  };
  const start = channel === M ? areaCode / 2 : 0;
  return {
    value: (symbol) => start + step * (symbol - low),
    sums: Array.from({ length: numSymbols + 1 }, (_, q) => sumBefore(q)),
  };
}
