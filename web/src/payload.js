// The payload, most of the bytes of a file: all integers of a picture, coded as one stream.

import { NUM_CHANNELS, quantizerOf } from "./channels.js";
import { edgesOf, weighted } from "./distributions.js";
import { TgsError } from "./errors.js";
import { latticeFactor, latticePoints, latticeShape } from "./lattice.js";
import { decodeOrder, decodePoints } from "./points.js";
import { rangeDecoder } from "./range_decoder.js";

const NUM_GRAIN_LEVELS = 8;

/** The step codes of the other channels less that of m, plus 12. */
const STEP_CODES = weighted([1, 1, 1, 1, 2, 2, 4, 8, 16, 32, 64, 96, 120, 96, 64, 32, 16, 8, 4, 2, 2, 1, 1, 1, 1]);

/**
 * Return the integers of a picture of N Gaussians, in the order of the file, and the quantisers of its channels.
 *
 * `index.d.ts` says what is in `Integers`.
 */
export function decodePayload(header) {
  const { numGaussians, columns, rows, covarianceK, colorK, isGray, hasGrain } = header;
  const coder = rangeDecoder(header.payload);

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
  const [cells, covariances, colors, ...onLines] = decodePoints(coder, multisets);

  // 4. The other channels
  const covarianceCodewords = decodeCodebook(coder, covariances, sides.slice(0, 3));
  const colorCodewords = decodeCodebook(coder, colors, sides.slice(3));

  // 5. The order
  const [covarianceIndices, colorIndices, grain] = onLines.map((multiset) => decodeOrder(coder, multiset));

  // 6. The offsets
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
    ...latticesOf(header, quantizers, covarianceCodewords, colorCodewords, covarianceIndices, colorIndices),
  };
  integers.offsetsX = Uint16Array.from(integers.pointsX, (n) => coder.uniform(n));
  integers.offsetsY = Uint16Array.from(integers.pointsY, (n) => coder.uniform(n));
  coder.finish();
  return { integers, quantizers };
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

/** Return n_x, n_y and k of the lattices of N Gaussians. */
function latticesOf(header, quantizers, covarianceCodewords, colorCodewords, covarianceIndices, colorIndices) {
  const n = header.numGaussians;
  const lattices = {
    pointsX: new Uint16Array(n).fill(1),
    pointsY: new Uint16Array(n).fill(1),
    shears: new Int32Array(n),
  };
  if (header.subdivision === 0) return lattices;
  const shapes = Array.from({ length: header.covarianceK }, (_, k) => {
    const [m, u, v] = [0, 1, 2].map((channel) => quantizers[channel].value(covarianceCodewords[3 * k + channel]));
    return latticeShape(m, u, v, header);
  });
  const factors = Array.from({ length: header.colorK }, (_, k) =>
    latticeFactor(quantizers[6].value(colorCodewords[4 * k + 3]), header.blending),
  );
  for (let g = 0; g < n; g++) {
    const { densityX, densityY, shear } = shapes[covarianceIndices[g]];
    const factor = factors[colorIndices[g]];
    lattices.pointsX[g] = latticePoints(densityX, factor);
    lattices.pointsY[g] = latticePoints(densityY, factor);
    lattices.shears[g] = shear;
  }
  return lattices;
}

/** Return 0, 1, ... n. */
function upTo(n) {
  return Uint32Array.from({ length: n + 1 }, (_, i) => i);
}
