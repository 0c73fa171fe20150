// Which pixels are drawn: those of a picture at another size, or of a part of it.
//
// Gaussians have no resolution. They are scaled, and no pixels are resampled. Where a picture is drawn smaller, a pixel
// is the mean of several samples: one sample would miss what is thinner than a pixel.

import { LimitError, TgsError } from "./errors.js";

/** Along either side of a pixel; more of them change less than rounding to 8 bits does. */
const MAX_SAMPLES = 4;
/** Of a whole picture of which a region is drawn. */
const MAX_WHOLE_SIDE = 2 ** 24;

/**
 * Return what is drawn.
 *
 * @param picture its own width and height, and its limits
 * @param options see `RenderOptions` in index.d.ts
 * @returns width and height of the whole picture as it is drawn; its region [x, y, width, height]; and the samples
 *   `across` and `down` that a pixel has
 */
export function chooseViewport(picture, { scale, width, height, region }) {
  const { limits } = picture;
  [width, height] = scaledSize(picture, scale, width, height);
  if (Math.max(width, height) > MAX_WHOLE_SIDE) {
    throw new LimitError(
      `A picture is drawn, whole or in part, as if of at most ${withCommas(MAX_WHOLE_SIDE)} pixels a side.`,
    );
  }
  region ??= [0, 0, width, height];
  if (region.length !== 4 || !region.every(Number.isSafeInteger)) {
    throw new TgsError(`region must be 4 whole numbers, not ${JSON.stringify(region)}`);
  }
  const [x, y, columns, rows] = region;
  if (Math.min(columns, rows) < 1) throw new TgsError(`a region has at least 1x1 pixels, not ${columns}x${rows}`);
  if (x < 0 || y < 0 || x + columns > width || y + rows > height) {
    throw new TgsError(
      `the region x=${x}, y=${y}, width=${columns}, height=${rows} reaches beyond a picture of ${width}x${height}`,
    );
  }
  if (columns * rows > limits.maxPixels || Math.max(columns, rows) > limits.maxSide) {
    const most = `${withCommas(limits.maxPixels)} and ${withCommas(limits.maxSide)} a side`;
    throw new LimitError(`${columns}x${rows} pixels are more than the limit, ${most}.`);
  }
  // A little more than pixels, because half of an odd side, for instance, is rounded up.
  const maxSamples = Math.floor((limits.maxPixels * 9) / 8);
  return { width, height, region, ...chooseSamples(picture, width, height, columns * rows, maxSamples) };
}

function scaledSize(picture, scale, width, height) {
  const hasSize = width !== undefined || height !== undefined;
  if (hasSize && scale !== undefined) throw new TgsError("scale and size exclude each other: give one of them");
  if (hasSize) {
    if (![width, height].every(Number.isSafeInteger)) {
      throw new TgsError(`size must be 2 whole numbers, not ${width}x${height}`);
    }
    if (Math.min(width, height) < 1) throw new TgsError(`a picture has at least 1x1 pixels, not ${width}x${height}`);
    return [width, height];
  }
  scale ??= 1;
  if (!(scale > 0 && scale < Infinity)) throw new TgsError(`scale must be a positive number, not ${scale}`);
  return [picture.width, picture.height].map((side) => Math.max(1, Math.floor(scale * side + 0.5)));
}

/** Return as many samples a pixel as show everything, or as `maxSamples` leave. */
function chooseSamples(picture, width, height, numPixels, maxSamples) {
  // As for the whole picture, for a region to look the same.
  if (width * height <= maxSamples) numPixels = width * height;
  for (const round of [Math.ceil, Math.floor]) {
    const [across, down] = [picture.width / width, picture.height / height].map((count) =>
      Math.min(MAX_SAMPLES, Math.max(1, round(count))),
    );
    if (across * down * numPixels <= maxSamples) return { across, down };
  }
  return { across: 1, down: 1 };
}

function withCommas(number) {
  return number.toLocaleString("en-US");
}
