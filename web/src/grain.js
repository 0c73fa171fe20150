// Grain: noise as strong as the texture that the Gaussians of a picture leave out.

/** The deviation of noise. */
export const NOISE_DEVIATION = 886.8;

/** Return integers of the mean 0 that look random, and depend on column and row alone. */
function white(x, y) {
  let h = (Math.imul(x, 0x9e3779b1) + Math.imul(y, 0x85ebca6b)) | 0;
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  h ^= h >>> 15;
  return (h & 255) + ((h >>> 8) & 255) + ((h >>> 16) & 255) + (h >>> 24) - 510;
}

/** Noise along the rows of a picture, at places that need not be the centres of pixels. */
export class Noise {
  /** @param {Float64Array} places ascending, in columns; the centre of the first pixel is at 0 */
  constructor(places) {
    this.places = places;
    this.first = Math.floor(places[0]);
    this.numColumns = Math.floor(places[places.length - 1]) + 2 - this.first;
    this.rows = new Map();
  }

  /** Return the noise at the places, in the row `place`. */
  at(place) {
    const y = Math.floor(place);
    const part = place - y;
    const above = this.row(y);
    const below = part ? this.row(y + 1) : above;
    return this.places.map((x) => {
      const column = Math.floor(x) - this.first;
      const [left, right] = [column, column + 1].map((c) => above[c] * (1 - part) + below[c] * part);
      return left + (right - left) * (x - Math.floor(x));
    });
  }

  /** Return the noise at the centres of the pixels of a row. */
  row(y) {
    const [above, own, below] = [y - 1, y, y + 1].map((row) => this.filtered(row));
    return own.map((value, i) => above[i] + 2 * value + below[i]);
  }

  /** Return white noise in a row, filtered by 1, 2, 1 along it. The last few rows are kept. */
  filtered(y) {
    let row = this.rows.get(y);
    if (!row) {
      const values = Int32Array.from({ length: this.numColumns + 2 }, (_, i) => white(this.first - 1 + i, y));
      row = Int32Array.from({ length: this.numColumns }, (_, i) => values[i] + 2 * values[i + 1] + values[i + 2]);
      if (this.rows.size === 4) this.rows.delete(this.rows.keys().next().value);
      this.rows.set(y, row);
    }
    return row;
  }
}

/**
 * Return where samples are in the picture at its own size, along one side.
 *
 * @param {number} first sample, of `count`
 * @param {number} samples of the whole side
 * @param {number} own pixels of that side
 */
export function placesOf(first, count, samples, own) {
  return Float64Array.from({ length: count }, (_, i) => ((first + i + 0.5) * own) / samples - 0.5);
}
