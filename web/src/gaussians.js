// What the integers of a picture stand for: N Gaussians, front to back.

/**
 * Return the Gaussians of a picture, in the order in which they are blended: by covariance index, then in raster order
 * of their cells, then by colour index. Codewords are sorted by m, so small Gaussians stand in front of large ones.
 *
 * `index.d.ts` says what is in `Gaussians`.
 */
export function gaussiansOf(header, integers, quantizers) {
  const { width, height, columns, rows, numGaussians, blending, hasGrain } = header;
  const { cells, covarianceIndices, colorIndices, covarianceCodewords, colorCodewords } = integers;
  const order = Uint32Array.from(cells.keys()).sort(
    (g, h) =>
      covarianceIndices[g] - covarianceIndices[h] || cells[g] - cells[h] || colorIndices[g] - colorIndices[h] || g - h,
  );
  const gaussians = {
    means: new Float64Array(2 * numGaussians),
    logCovariances: new Float64Array(3 * numGaussians),
    colors: new Float32Array(3 * numGaussians),
    amplitudes: new Float64Array(numGaussians),
    grain: hasGrain ? new Float32Array(numGaussians) : undefined,
    background: Float32Array.from(integers.background, (level) => level / 255),
  };
  const covariances = valuesOf(covarianceCodewords, quantizers.slice(0, 3));
  const colors = valuesOf(colorCodewords, quantizers.slice(3));
  order.forEach((g, i) => {
    gaussians.means[2 * i] = (((cells[g] % columns) + xInCell(g, integers)) * width) / columns;
    gaussians.means[2 * i + 1] = ((Math.floor(cells[g] / columns) + yInCell(g, integers)) * height) / rows;
    const covariance = 3 * covarianceIndices[g];
    for (let axis = 0; axis < 3; axis++) gaussians.logCovariances[3 * i + axis] = covariances[covariance + axis];
    const color = 4 * colorIndices[g];
    const luma = colors[color];
    const orange = colors[color + 1];
    const green = colors[color + 2];
    const z = colors[color + 3];
    gaussians.colors[3 * i] = luma + orange - green;
    gaussians.colors[3 * i + 1] = luma + green;
    gaussians.colors[3 * i + 2] = luma - orange - green;
    gaussians.amplitudes[i] = blending === "normalized" ? Math.exp(4 * z) : 0.99 / (1 + Math.exp(-z));
    if (hasGrain) gaussians.grain[i] = deviationOf(integers.grain[colorIndices[g]]) / 255;
  });
  return gaussians;
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

/** Return the values of the symbols of codewords, those of a codeword side by side. */
function valuesOf(codewords, quantizers) {
  return Float64Array.from(codewords, (symbol, i) => quantizers[i % quantizers.length].value(symbol));
}
