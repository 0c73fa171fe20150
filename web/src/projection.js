// Gaussians as they are drawn: in samples of a region, with the inverses of their covariances.

/** Where a Gaussian ends: where its value, before anything is subtracted from it, falls below this one. */
export const CUTOFFS = { alpha: 1 / 255, normalized: 1 / 64 };

/**
 * The numbers of a projected Gaussian, which has the value
 *
 *     amplitude * exp(-(a (dx + shear * dy)^2 + c dy^2) / 2),    (dx, dy) = sample - (x, y)
 *
 * `extentX` and `extentY` are how far it reaches, -1 if it reaches nothing. x, y and they are in samples, from the top
 * left corner of the region.
 */
export const X = 0;
export const Y = 1;
export const EXTENT_X = 2;
export const EXTENT_Y = 3;
export const A = 4;
export const SHEAR = 5;
export const C = 6;
export const AMPLITUDE = 7;
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
    projected[p + EXTENT_X] = reach > 0 ? Math.sqrt(reach * Math.exp(m) * xx) * factorX : -1;
    projected[p + EXTENT_Y] = reach > 0 ? Math.sqrt(reach * Math.exp(m) * yy) * factorY : -1;
    projected[p + A] = (Math.exp(-m) * yy) / factorX ** 2;
    projected[p + SHEAR] = ((-slope * v) / yy) * (factorX / factorY);
    projected[p + C] = Math.exp(-m) / (yy * factorY ** 2);
    projected[p + AMPLITUDE] = amplitudes[g];
  }
  return projected;
}
