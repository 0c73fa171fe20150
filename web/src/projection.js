// Gaussians as they are drawn: in samples of a region, with the inverses of their covariances.

/** Where a Gaussian ends: where its value, before anything is subtracted from it, falls below this one. */
export const CUTOFFS = { alpha: 1 / 255, normalized: 1 / 64 };

/**
 * Return for each Gaussian [x, y, extentX, extentY, a, shear, c, amplitude, red, green, blue]. It has the value
 *
 *     amplitude * exp(-(a (dx + shear * dy)^2 + c dy^2) / 2),    (dx, dy) = sample - (x, y)
 *
 * `extentX` and `extentY` are how far it reaches, -1 if it reaches nothing. x, y and they are in samples, from the top
 * left corner of the region. All is computed with what loses no digits in a thin Gaussian.
 *
 * @param layer the picture, or its alpha plane
 * @param viewport of `chooseViewport`
 * @returns {number[][]}
 */
export function project({ width, height, blending, gaussians }, viewport) {
  const { means, logCovariances, colors } = gaussians;
  const factorX = (viewport.width * viewport.across) / width;
  const factorY = (viewport.height * viewport.down) / height;
  const [left, top] = viewport.region;
  return Array.from(gaussians.amplitudes, (amplitude, g) => {
    const [m, u, v] = logCovariances.subarray(3 * g, 3 * g + 3);
    const r = Math.hypot(u, v);
    const slope = r > 0 ? Math.sinh(r) / r : 1;
    // r - |u|, of which not much is left, is v^2 / (r + |u|).
    const more = r + Math.abs(u);
    const less = more > 0 ? (v * v) / more : 0;
    const xx = Math.exp(-r) + slope * (u > 0 ? more : less);
    const yy = Math.exp(-r) + slope * (u > 0 ? less : more);
    const reach = 2 * Math.log(amplitude / CUTOFFS[blending]);
    return [
      means[2 * g] * factorX - left * viewport.across,
      means[2 * g + 1] * factorY - top * viewport.down,
      reach > 0 ? Math.sqrt(reach * Math.exp(m) * xx) * factorX : -1,
      reach > 0 ? Math.sqrt(reach * Math.exp(m) * yy) * factorY : -1,
      (Math.exp(-m) * yy) / factorX ** 2,
      ((-slope * v) / yy) * (factorX / factorY),
      Math.exp(-m) / (yy * factorY ** 2),
      amplitude,
      ...colors.subarray(3 * g, 3 * g + 3),
    ];
  });
}

/**
 * Return a background as a projected Gaussian behind all others: one so wide that it has the same value everywhere. It
 * gets the weight that the others leave or, if weights are normalised, 1 / 16.
 */
export function backdrop(color, blending) {
  const amplitude = blending === "normalized" ? 1 / 16 + CUTOFFS.normalized : 1;
  return [0, 0, 2 ** 20, 2 ** 20, 1e-30, 0, 1e-30, amplitude, ...color];
}
