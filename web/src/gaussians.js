// What the integers of a picture stand for: N Gaussians, front to back.

/**
 * Return the Gaussians of a picture, in the order in which they are blended: by covariance index, then in raster order
 * of their cells, then by colour index. Codewords are sorted by m, so small Gaussians stand in front of large ones.
 *
 * `index.d.ts` says what is in `Gaussians`.
 *
 * @param header of the file, and the rest of `decodePayload`
 * @param {number[][]} covariances (m, u, v) of each covariance codeword
 * @param {number[][]} colors (Y, Co, Cg, z) of each colour codeword
 */
export function gaussiansOf({ width, height, columns, rows, blending }, integers, covariances, colors) {
  const { cells, covarianceIndices, colorIndices, grain } = integers;
  const order = Uint32Array.from(cells.keys()).sort(
    (g, h) =>
      covarianceIndices[g] - covarianceIndices[h] || cells[g] - cells[h] || colorIndices[g] - colorIndices[h] || g - h,
  );
  const rgb = colors.map(([luma, orange, green]) => [luma + orange - green, luma + green, luma - orange - green]);
  const amplitudes = colors.map(([, , , z]) =>
    blending === "normalized" ? Math.exp(4 * z) : 0.99 / (1 + Math.exp(-z)),
  );
  const means = new Float64Array(2 * order.length);
  const logCovariances = new Float64Array(3 * order.length);
  const ownColors = new Float32Array(3 * order.length);
  order.forEach((g, i) => {
    means[2 * i] = (((cells[g] % columns) + xInCell(g, integers)) * width) / columns;
    means[2 * i + 1] = ((Math.floor(cells[g] / columns) + yInCell(g, integers)) * height) / rows;
    logCovariances.set(covariances[covarianceIndices[g]], 3 * i);
    ownColors.set(rgb[colorIndices[g]], 3 * i);
  });
  return {
    means,
    logCovariances,
    colors: ownColors,
    amplitudes: Float64Array.from(order, (g) => amplitudes[colorIndices[g]]),
    grain: grain && Float32Array.from(order, (g) => deviationOf(grain[colorIndices[g]]) / 255),
    background: Float32Array.from(integers.background, (level) => level / 255),
  };
}

/** Return the mean of a Gaussian in its cell, in [0, 1). */
function xInCell(g, { pointsX, offsetsX }) {
  return (2 * offsetsX[g] + 1) / (2 * pointsX[g]);
}

/** Likewise for y. The shear k shifts what leaves the cell back in. */
function yInCell(g, { pointsX, pointsY, shears, offsetsX, offsetsY }) {
  const whole = 512 * pointsX[g] * pointsY[g];
  const shift = shears[g] * (2 * offsetsX[g] + 1 - pointsX[g]) * pointsY[g];
  const y = (256 * pointsX[g] * (2 * offsetsY[g] + 1) + shift) % whole;
  return (y < 0 ? y + whole : y) / whole;
}

/** Return the deviation of grain that a strength code stands for, in levels of 0 to 255. */
function deviationOf(code) {
  return code && 2 ** ((code - 1) / 2);
}
