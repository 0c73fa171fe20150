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

/**
 * Return a function that returns the noise in a row, at places that need not be the centres of pixels: interpolated
 * bilinearly between these.
 *
 * @param {Float64Array} places ascending, in columns; the centre of the first pixel is at 0
 */
export function noiseAt(places) {
  const first = Math.floor(places[0]);
  const columns = Int32Array.from(places, (place) => Math.floor(place) - first);
  const parts = places.map((place) => place - Math.floor(place));
  const length = columns.at(-1) + 2;
  const kept = new Map();

  /** Return white noise in a row, filtered by 1, 2, 1 along it. The last few rows are kept. */
  function filtered(y) {
    let row = kept.get(y);
    if (!row) {
      row = Int32Array.from({ length }, (_, i) => {
        const x = first + i;
        return white(x - 1, y) + 2 * white(x, y) + white(x + 1, y);
      });
      if (kept.size === 4) kept.delete(kept.keys().next().value);
      kept.set(y, row);
    }
    return row;
  }

  /** Return the noise at the centres of the pixels of a row: white noise filtered along both sides. */
  function atCenters(y) {
    const [above, own, below] = [y - 1, y, y + 1].map(filtered);
    return own.map((value, i) => above[i] + 2 * value + below[i]);
  }

  return (place) => {
    const y = Math.floor(place);
    const part = place - y;
    const above = atCenters(y);
    const below = part ? atCenters(y + 1) : above;
    const between = Float64Array.from(above, (value, i) => value + (below[i] - value) * part);
    return parts.map((part, i) => {
      const left = between[columns[i]];
      return left + (between[columns[i] + 1] - left) * part;
    });
  };
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
