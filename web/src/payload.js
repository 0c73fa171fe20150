// The payload, most of the bytes of a file: all integers of a picture, coded as one stream.

import { NUM_CHANNELS, quantizerOf } from "./channels.js";
import { edgesOf, weighted } from "./distributions.js";
import { TgsError } from "./errors.js";
import { latticeFactor, latticePoints, latticeShape } from "./lattice.js";
import { decodeOrder, decodePoints } from "./points.js";
import { RangeDecoder } from "./range_decoder.js";

const NUM_GRAIN_LEVELS = 8;

/** The step codes of the other channels less that of m, plus 12. */
const STEP_CODES = weighted([1, 1, 1, 1, 2, 2, 4, 8, 16, 32, 64, 96, 120, 96, 64, 32, 16, 8, 4, 2, 2, 1, 1, 1, 1]);

/**
 * Return the integers of a picture of N Gaussians, in the order of the file, and for each codeword of either codebook
 * the values that its symbols stand for.
 *
 * `index.d.ts` says what is in `Integers`.
 */
export function decodePayload(header) {
  const { numGaussians, columns, rows, covarianceK, colorK, isGray, hasGrain } = header;
  const coder = new RangeDecoder(header.payload);

  // 1. The background
  const levels = Array.from({ length: isGray ? 1 : 3 }, () => 17 * coder.uniform(16));
  const background = Uint8Array.from([0, 1, 2], (channel) => levels[isGray ? 0 : channel]);

  // 2. The quantisers
  const { areaCode, stepCodes } = numGaussians
    ? decodeQuantizers(coder, isGray)
    : { areaCode: 0, stepCodes: new Uint8Array(NUM_CHANNELS) };
  const quantizers = Array.from(stepCodes, (code, channel) => quantizerOf(channel, code, areaCode, header));

  // 3. The points
  const sides = quantizers.map(({ sums }) => sums);
  const multisets = [
    { count: numGaussians, rows: upTo(rows), columns: upTo(columns) },
    { count: covarianceK, rows: sides[0], columns: sides[1] },
    { count: colorK, rows: sides[3], columns: sides[4] },
    { count: numGaussians, rows: [0, 1], columns: upTo(covarianceK) },
    { count: numGaussians, rows: [0, 1], columns: upTo(colorK) },
  ];
  if (hasGrain) multisets.push({ count: colorK, rows: [0, 1], columns: upTo(NUM_GRAIN_LEVELS) });
  const [cells, covariancePoints, colorPoints, ...onLines] = decodePoints(coder, multisets);

  // 4. The other channels
  const covarianceCodewords = decodeCodebook(coder, covariancePoints, sides.slice(0, 3));
  const colorCodewords = decodeCodebook(coder, colorPoints, sides.slice(3));

  // 5. The order
  const [covarianceIndices, colorIndices, grain] = onLines.map((multiset) => decodeOrder(coder, multiset));

  // 6. The offsets
  const covariances = valuesOf(covarianceCodewords, quantizers.slice(0, 3));
  const colors = valuesOf(colorCodewords, quantizers.slice(3));
  const lattices = latticesOf(header, covariances, colors, covarianceIndices, colorIndices);
  const integers = {
    background,
    areaCode,
    stepCodes,
    cells,
    covarianceCodewords,
    colorCodewords,
    covarianceIndices,
    colorIndices,
    grain: grain && Uint8Array.from(grain),
    ...lattices,
    offsetsX: Uint16Array.from(lattices.pointsX, (n) => coder.uniform(n)),
    offsetsY: Uint16Array.from(lattices.pointsY, (n) => coder.uniform(n)),
  };
  coder.finish();
  return { integers, covariances, colors };
}

function decodeQuantizers(coder, isGray) {
  const areaCode = coder.uniform(48);
  const ofM = coder.uniform(41);
  const stepCodes = new Uint8Array(NUM_CHANNELS);
  for (const channel of isGray ? [0, 1, 2, 3, 6] : stepCodes.keys()) {
    stepCodes[channel] = channel ? ofM + coder.symbol(STEP_CODES) - 12 : ofM;
  }
  // What would be below 0 is above 40 here.
  if (stepCodes.some((code) => code > 40)) throw new TgsError("The payload is damaged: it has a step that cannot be.");
  return { areaCode, stepCodes };
}

/** Return the symbols of K codewords, those of a codeword side by side. The first two channels are known. */
function decodeCodebook(coder, points, sides) {
  const numChannels = sides.length;
  const codewords = new Uint16Array(points.length * numChannels);
  const numColumns = sides[1].length - 1;
  points.forEach((point, k) => {
    codewords[k * numChannels] = Math.floor(point / numColumns);
    codewords[k * numChannels + 1] = point % numColumns;
  });
  for (let channel = 2; channel < numChannels; channel++) {
    const edges = edgesOf(sides[channel]);
    for (let k = 0; k < points.length; k++) codewords[k * numChannels + channel] = coder.symbol(edges);
  }
  return codewords;
}

/** Return for each codeword the values of its symbols. */
function valuesOf(codewords, quantizers) {
  return Array.from({ length: codewords.length / quantizers.length }, (_, k) =>
    quantizers.map(({ value }, channel) => value(codewords[k * quantizers.length + channel])),
  );
}

/** Return n_x, n_y and k of the lattices of N Gaussians. */
function latticesOf(header, covariances, colors, covarianceIndices, colorIndices) {
  const shapes = covariances.map((covariance) => latticeShape(covariance, header));
  const factors = colors.map(([, , , z]) => latticeFactor(z, header.blending));
  const pointsOf = (density) =>
    Uint16Array.from(covarianceIndices, (k, g) => latticePoints(shapes[k][density], factors[colorIndices[g]]));
  return {
    pointsX: pointsOf("densityX"),
    pointsY: pointsOf("densityY"),
    shears: Int32Array.from(covarianceIndices, (k) => shapes[k].shear),
  };
}

/** Return 0, 1, ... n. */
function upTo(n) {
  return Uint32Array.from({ length: n + 1 }, (_, i) => i);
}
