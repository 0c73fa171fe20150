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
    this.first = Math.floor(places[0]);
    this.columns = Int32Array.from(places, (place) => Math.floor(place) - this.first);
    this.parts = places.map((place) => place - Math.floor(place));
    this.numColumns = this.columns[places.length - 1] + 2;
    this.rows = new Map();
  }

  /** Return the noise at the places, in the row `place`: interpolated bilinearly between the centres of pixels. */
  at(place) {
    const y = Math.floor(place);
    const part = place - y;
    const above = this.row(y);
    const below = part ? this.row(y + 1) : above;
    const between = new Float64Array(this.numColumns);
    for (let i = 0; i < between.length; i++) between[i] = above[i] + (below[i] - above[i]) * part;
    return this.parts.map((part, i) => {
      const left = between[this.columns[i]];
      return left + (between[this.columns[i] + 1] - left) * part;
    });
  }

  /** Return the noise at the centres of the pixels of a row. */
  row(y) {
    const [above, own, below] = [y - 1, y, y + 1].map((row) => this.filtered(row));
    const noise = new Int32Array(this.numColumns);
    for (let i = 0; i < noise.length; i++) noise[i] = above[i] + 2 * own[i] + below[i];
    return noise;
  }

  /** Return white noise in a row, filtered by 1, 2, 1 along it. The last few rows are kept. */
  filtered(y) {
    let row = this.rows.get(y);
    if (!row) {
      row = new Int32Array(this.numColumns);
      for (let i = 0, x = this.first; i < row.length; i++, x++)
        row[i] = white(x - 1, y) + 2 * white(x, y) + white(x + 1, y);
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
