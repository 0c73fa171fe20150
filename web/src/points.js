// Multisets of points on grids, and the order of symbols whose multiset is known.

import { betaBinomial, weighted } from "./distributions.js";
import { TgsError } from "./errors.js";

/**
 * A box has six integers: its multiset, its number of points, the rows from which and to which it goes, and its columns
 * likewise.
 */
const COUNT = 1;
const ROWS = 2;
const COLUMNS = 4;
const BOX = 6;

/**
 * Return the points of multisets, which are coded side by side: a grid is halved again and again, and each time it is
 * coded how many of the points in a box lie in its left half.
 *
 * @param {import("./range_decoder.js").RangeDecoder} coder
 * @param {{count: number, rows: ArrayLike<number>, columns: ArrayLike<number>}[]} multisets the number of points, and
 *   the weights of the sides of the grid: ascending integers from 0, one more than there are rows or columns
 * @returns {Uint32Array[]} for each multiset its points in raster order: row * (number of columns) + column
 */
export function decodePoints(coder, multisets) {
  const found = multisets.map(({ count }) => new Uint32Array(count));
  const numFound = multisets.map(() => 0);
  const codes = multisets.map(({ count, rows, columns }) =>
    count > 1 && rows.length + columns.length > 4 ? coder.uniform(8) : 0,
  );
  const distributions = new Map();
  let boxes = Int32Array.from(
    multisets.flatMap(({ count, rows, columns }, k) => [k, count, 0, rows.length - 1, 0, columns.length - 1]),
  );
  for (;;) {
    // 1. The boxes that are cut go to the front, in their order.
    let length = 0;
    for (let box = 0; box < boxes.length; box += BOX) {
      const k = boxes[box];
      const count = boxes[box + COUNT];
      if (sideOf(boxes, box + ROWS) + sideOf(boxes, box + COLUMNS) === 2) {
        const point = boxes[box + ROWS] * (multisets[k].columns.length - 1) + boxes[box + COLUMNS];
        found[k].fill(point, numFound[k], (numFound[k] += count));
      } else if (count) {
        for (let field = 0; field < BOX; field++) boxes[length++] = boxes[box + field];
      }
    }
    if (!length) return found.map((points) => points.sort());

    // 2. Where to cut them, and the distribution of their points.
    const numBoxes = length / BOX;
    const cutSides = new Uint8Array(numBoxes); // ROWS or COLUMNS
    const cuts = new Int32Array(numBoxes);
    const shifts = new Uint8Array(numBoxes);
    const counts = new Int32Array(numBoxes);
    // A number that sorts boxes by their distribution, and by their place in the list, the low 32 bits.
    const keys = new Float64Array(numBoxes);
    for (let i = 0, box = 0; i < numBoxes; i++, box += BOX) {
      const k = boxes[box];
      const isWide = sideOf(boxes, box + COLUMNS) >= sideOf(boxes, box + ROWS);
      const weights = isWide ? multisets[k].columns : multisets[k].rows;
      const side = (cutSides[i] = isWide ? COLUMNS : ROWS);
      const from = boxes[box + side];
      const to = boxes[box + side + 1];
      const low = weights[from];
      const weight = weights[to] - low;
      const cut = (cuts[i] = firstAtLeast(weights, low + Math.floor(weight / 2), from + 1, to - 1));
      const share = Math.floor((32 * (weights[cut] - low) + weight) / (2 * weight));
      const a = Math.min(Math.max(share, 1), 15);
      const count = boxes[box + COUNT];
      shifts[i] = Math.max(0, 24 - Math.clz32(count));
      keys[i] = (((count >> shifts[i]) << 7) | (a << 3) | codes[k]) * 2 ** 32 + i;
    }

    // 3. The high bits of the numbers of points in left halves, in the order of the distributions.
    for (const key of keys.sort()) {
      const i = key % 2 ** 32;
      const distribution = Math.floor(key / 2 ** 32);
      let edges = distributions.get(distribution);
      if (!edges) {
        edges = betaBinomial(distribution >> 7, (distribution >> 3) & 15, 4 ** (distribution & 7));
        distributions.set(distribution, edges);
      }
      counts[i] = coder.symbol(edges) << shifts[i];
    }

    // 4. The low bits, the fewest first.
    const maxShift = shifts.reduce((most, shift) => Math.max(most, shift));
    for (let shift = 1; shift <= maxShift; shift++) {
      for (let i = 0; i < numBoxes; i++) if (shifts[i] === shift) counts[i] += coder.uniform(2 ** shift);
    }

    // 5. The next list.
    const halves = new Int32Array(2 * length);
    for (let i = 0, box = 0; i < numBoxes; i++, box += BOX) {
      if (counts[i] > boxes[box + COUNT]) {
        throw new TgsError("The payload is damaged: more points in a part than in the whole.");
      }
      const left = 2 * box;
      const right = left + BOX;
      for (let field = 0; field < BOX; field++) halves[left + field] = halves[right + field] = boxes[box + field];
      halves[left + COUNT] = counts[i];
      halves[right + COUNT] -= counts[i];
      halves[left + cutSides[i] + 1] = halves[right + cutSides[i]] = cuts[i];
    }
    boxes = halves;
  }
}

/** Return how many rows or columns a box has. */
function sideOf(boxes, side) {
  return boxes[side + 1] - boxes[side];
}

/** Return the first number from `low` to `high` whose weight is at least `weight`, or `high` if there is none. */
function firstAtLeast(weights, weight, low, high) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (weights[middle] < weight) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Return N symbols in their order, which is coded in blocks of an eighth of what is left.
 *
 * @param {Uint32Array} multiset the symbols, ascending
 */
export function decodeOrder(coder, multiset) {
  const remaining = new Int32Array((multiset.at(-1) ?? -1) + 1);
  for (const symbol of multiset) remaining[symbol]++;
  const order = new Uint32Array(multiset.length);
  let kinds = [...remaining.keys()];
  for (let start = 0; start < order.length;) {
    kinds = kinds.filter((kind) => remaining[kind] > 0);
    const edges = weighted(kinds.map((kind) => remaining[kind]));
    const end = start + Math.max(1, Math.floor((order.length - start) / 8));
    for (; start < end; start++) {
      const symbol = kinds[coder.symbol(edges)];
      order[start] = symbol;
      remaining[symbol]--;
    }
    if (kinds.some((kind) => remaining[kind] < 0)) {
      throw new TgsError("The payload is damaged: a symbol comes up more often than was announced.");
    }
  }
  return order;
}
