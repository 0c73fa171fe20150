// Distributions of symbols, as the range decoder takes them: edges [n + 1], integers from 0 to 2^24.

const PRECISION = 2 ** 24;

/**
 * Return the edges e_s = s + floor(C_s (2^24 - n) / C_n).
 *
 * @param {ArrayLike<number>} sums [n + 1], C_s: the weight of all symbols before symbol s; C_n is below 2^29
 */
export function edgesOf(sums) {
  const n = sums.length - 1;
  // Products are below 2^53.
  return Int32Array.from(sums, (sum, s) => s + Math.floor((sum * (PRECISION - n)) / sums[n]));
}

/** Return the weight of all before each, and of all. */
export function sumsOf(weights) {
  const sums = [0];
  for (const weight of weights) sums.push(sums.at(-1) + weight);
  return sums;
}

/** Return the edges of weighted(w_0 ... w_(n-1)). */
export function weighted(weights) {
  return edgesOf(sumsOf(weights));
}

/**
 * Return the edges of beta_binomial(n, a, c), 1 <= n <= 255, which has n + 1 symbols.
 *
 * Its weights are integers of thousands of bits. Doubles tell nearly all edges for certain, in a tenth of the time. The
 * relative error of a weight is below 2 n / 2^53, and that of a sum of weights below 3 n / 2^53. So an edge, 2^24 times a
 * quotient of sums, has an error below 2^24 (6 n + 2) / 2^53 < 2^-18. Only where an integer is so near, exact numbers
 * have to say on which side of it the edge is. No weight and no sum is above 16^n or below 16^-n: none overflows.
 */
export function betaBinomial(n, a, c) {
  const sums = new Float64Array(n + 2);
  for (let k = 0, weight = 1; k <= n; k++) {
    sums[k + 1] = sums[k] + weight;
    weight *= factor(n, a, c, k) / factor(n, 16 - a, c, n - 1 - k);
  }
  const margin = 2 ** -17;
  const scale = PRECISION - n - 1;
  const edges = new Int32Array(n + 2);
  edges[n + 1] = PRECISION;
  for (let s = 1; s <= n; s++) {
    const edge = (sums[s] / sums[n + 1]) * scale;
    // The exact number is above 0 and below scale. It is half of it in the middle of a symmetric distribution.
    const least = Math.max(0, Math.floor(edge - margin));
    const most = Math.min(Math.floor(edge + margin), scale - 1);
    const isHalf = a === 8 && 2 * s === n + 1;
    if (least !== most && !isHalf) return exactBetaBinomial(n, a, c);
    edges[s] = s + (isHalf ? scale / 2 : least);
  }
  return edges;
}

/** Return the same in exact integers. */
export function exactBetaBinomial(n, a, c) {
  const divisor = (k) => BigInt(factor(n, 16 - a, c, n - 1 - k));
  // The first weight is the product of all divisors that follow. So there are no remainders.
  let weight = 1n;
  for (let k = 0; k < n; k++) weight *= divisor(k);
  const sums = [0n];
  for (let k = 0; k <= n; k++) {
    sums.push(sums[k] + weight);
    if (k < n) weight = (weight * BigInt(factor(n, a, c, k))) / divisor(k);
  }
  return Int32Array.from(sums, (sum, s) => s + Number((sum * BigInt(PRECISION - n - 1)) / sums[n + 1]));
}

/**
 * The quotient of the weights k + 1 and k is factor(n, a, c, k) / factor(n, 16 - a, c, n - 1 - k), both integers below
 * 2^53. l / d = a / 16 need not be in lowest terms: a common factor cancels out.
 */
function factor(n, a, c, k) {
  return (n - k) * (c * a + 16 * k);
}
