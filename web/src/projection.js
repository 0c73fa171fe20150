// Gaussians as they are drawn: in samples of a region, with the inverses of their covariances.

import { LimitError } from "./errors.js";
import { pairsAllowed } from "./limits.js";

/** Where a Gaussian ends: where its value, before anything is subtracted from it, falls below this one. */
export const CUTOFFS = { alpha: 1 / 255, normalized: 1 / 64 };

const TILE = 16;

/**
 * The numbers of a projected Gaussian, which has the value
 *
 *     amplitude * exp(-(a (dx + shear * dy)^2 + c dy^2) / 2),    (dx, dy) = sample - (x, y)
 *
 * `extentX` and `extentY` are how far it reaches, -1 if it reaches nothing. x, y and they are in samples, from the top
 * left corner of the region.
 */
export const [X, Y, A, SHEAR, C, AMPLITUDE, EXTENT_X, EXTENT_Y] = [0, 1, 2, 3, 4, 5, 6, 7];
export const PROJECTED = 8;

/**
 * Return projected Gaussians, PROJECTED numbers each. All is computed with what loses no digits in a thin Gaussian.
 *
 * @param layer the picture, or its alpha plane
 * @param viewport of `chooseViewport`
 * @returns {Float64Array}
 */
export function project({ width, height, blending, numGaussians, gaussians }, viewport) {
  const { means, logCovariances, amplitudes } = gaussians;
  const factorX = (viewport.width * viewport.across) / width;
  const factorY = (viewport.height * viewport.down) / height;
  const [left, top] = viewport.region;
  const projected = new Float64Array(PROJECTED * numGaussians);
  for (let g = 0, p = 0; g < numGaussians; g++, p += PROJECTED) {
    const [m, u, v] = logCovariances.subarray(3 * g, 3 * g + 3);
    const r = Math.hypot(u, v);
    const slope = r > 0 ? Math.sinh(r) / r : 1;
    // r - |u|, of which not much is left, is v^2 / (r + |u|).
    const more = r + Math.abs(u);
    const less = more > 0 ? (v * v) / more : 0;
    const xx = Math.exp(-r) + slope * (u > 0 ? more : less);
    const yy = Math.exp(-r) + slope * (u > 0 ? less : more);
    const reach = 2 * Math.log(amplitudes[g] / CUTOFFS[blending]);
    projected[p + X] = means[2 * g] * factorX - left * viewport.across;
    projected[p + Y] = means[2 * g + 1] * factorY - top * viewport.down;
    projected[p + A] = (Math.exp(-m) * yy) / factorX ** 2;
    projected[p + SHEAR] = ((-slope * v) / yy) * (factorX / factorY);
    projected[p + C] = Math.exp(-m) / (yy * factorY ** 2);
    projected[p + AMPLITUDE] = amplitudes[g];
    projected[p + EXTENT_X] = reach > 0 ? Math.sqrt(reach * Math.exp(m) * xx) * factorX : -1;
    projected[p + EXTENT_Y] = reach > 0 ? Math.sqrt(reach * Math.exp(m) * yy) * factorY : -1;
  }
  return projected;
}

/**
 * Throw a LimitError if layers take too much time to draw.
 *
 * @param picture the picture that they are of
 * @param viewport of `chooseViewport`
 * @param {[projected: Float64Array, times: number][]} layers each with how often it is drawn
 */
export function checkPairs(picture, viewport, layers) {
  const own = picture.alpha ? [picture, picture.alpha] : [picture];
  const sum = (count) => own.reduce((total, layer) => total + count(layer), 0);
  const [, , width, height] = viewport.region;
  const samples = viewport.across * viewport.down;
  let allowed = pairsAllowed(
    picture.limits,
    sum((layer) => layer.headerBytes + layer.payloadBytes),
    sum((layer) => layer.numGaussians),
    Math.max(samples * viewport.width * viewport.height, picture.width * picture.height),
    samples * width * height * layers.reduce((total, [, times]) => total + times, 0),
  );
  for (const [projected, times] of layers) {
    const pairs = times * numPairs(projected, width * viewport.across, height * viewport.down);
    if (pairs > allowed) {
      throw new LimitError(`The file has ${pairs} pairs of a Gaussian and a tile, more than the ${allowed} allowed.`);
    }
    allowed -= pairs;
  }
}

/** Return the number of pairs of a Gaussian and a tile of 16 x 16 samples that it reaches. */
function numPairs(projected, width, height) {
  let pairs = 0;
  for (let p = 0; p < projected.length; p += PROJECTED) {
    const across = reached(projected[p + X], projected[p + EXTENT_X], width);
    pairs += across && across * reached(projected[p + Y], projected[p + EXTENT_Y], height);
  }
  return pairs;
}

function reached(center, extent, side) {
  const first = Math.ceil(center - extent - 0.5);
  const last = Math.floor(center + extent - 0.5);
  if (first > last) return 0;
  const start = Math.max(0, Math.floor(first / TILE));
  const end = Math.min(Math.floor(last / TILE) + 1, Math.ceil(side / TILE));
  return Math.max(0, end - start);
}
