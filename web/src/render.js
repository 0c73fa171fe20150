// Drawing in plain JavaScript.

import { NOISE_DEVIATION, noiseAt, placesOf } from "./grain.js";
import { layersOf } from "./layers.js";
import { CUTOFFS } from "./projection.js";
import { chooseViewport } from "./viewport.js";

/** So few are added up at a time that they stay in the cache, unless that would take more than so many passes. */
const SAMPLES_AT_A_TIME = 2 ** 14;
const MAX_PASSES = 100;

/**
 * Return the pixels of a picture, RGBA, those of a row side by side. Colours are not multiplied by alpha.
 *
 * @param picture of `decode`
 * @param options see `RenderOptions` in index.d.ts
 * @returns {Uint8ClampedArray} [height * width * 4] of the region
 */
export function render(picture, options = {}) {
  const viewport = chooseViewport(picture, options);
  const [, , width, height] = viewport.region;
  const { layers, strengths } = layersOf(picture, viewport, options.grain);
  const [colors, plane] = layers;
  const pixels = new Uint8ClampedArray(4 * width * height).fill(255);
  const samplesOfRow = width * viewport.across * viewport.down;
  const rowsAtATime = Math.min(height, Math.ceil(Math.max(SAMPLES_AT_A_TIME / samplesOfRow, height / MAX_PASSES)));
  const room = new Float32Array(4 * samplesOfRow * rowsAtATime);
  const roomForGrain = strengths && new Float32Array(room.length);
  for (let top = 0; top < height; top += rowsAtATime) {
    const bottom = Math.min(top + rowsAtATime, height);
    const some = pixels.subarray(4 * width * top, 4 * width * bottom);
    const sums = accumulate(room, colors, viewport, top, bottom);
    if (strengths) addGrain(sums, accumulate(roomForGrain, strengths, viewport, top, bottom), picture, viewport, top);
    store(some, sums, viewport, false);
    if (plane) store(some, accumulate(room, plane, viewport, top, bottom), viewport, true);
  }
  return pixels;
}

/**
 * Return the sums of weighted colours and of weights at the samples of some rows of pixels, from `top` to before
 * `bottom`: red, green, blue and the weight of each sample. They are in `room`.
 */
function accumulate(room, { gaussians, blending }, viewport, top, bottom) {
  const addRow = blending === "normalized" ? addWeights : addBehind;
  const width = viewport.region[2] * viewport.across;
  const [rowsBefore, rowsEnd] = [top * viewport.down, bottom * viewport.down];
  const sums = room.subarray(0, 4 * width * (rowsEnd - rowsBefore)).fill(0);
  for (const gaussian of gaussians) {
    // By number, which takes less time than [x, y, ...].
    const { 0: x, 1: y, 2: extentX, 3: extentY, 4: a, 5: shear, 6: c, 7: amplitude } = gaussian;
    const firstRow = Math.max(rowsBefore, Math.ceil(y - extentY - 0.5));
    const lastRow = Math.min(rowsEnd - 1, Math.floor(y + extentY - 0.5));
    if (firstRow > lastRow || x + extentX < 0 || x - extentX > width) continue;
    const { 8: red, 9: green, 10: blue } = gaussian;
    const fade = Math.exp(-a);
    for (let row = firstRow; row <= lastRow; row++) {
      // Where the ellipse in which the Gaussian is above the cut-off meets this row.
      const dy = row + 0.5 - y;
      const half = Math.sqrt(Math.max(0, c * (extentY * extentY - dy * dy)) / a);
      const center = x - shear * dy;
      const first = Math.max(0, Math.ceil(center - half - 0.5));
      const last = Math.min(width - 1, Math.floor(center + half - 0.5));
      if (first > last) continue;
      // Along the row the value changes by a ratio, and the ratio always by the same one.
      const dx = first + 0.5 - center;
      const value = amplitude * Math.exp(-(a * dx * dx + c * dy * dy) / 2);
      const ratio = Math.exp(-a * (dx + 0.5));
      const start = 4 * ((row - rowsBefore) * width + first);
      addRow(sums, start, start + 4 * (last - first), value, ratio, fade, red, green, blue);
    }
  }
  return sums;
}

/** Add a row of a Gaussian, from `start` to `end`. */
function addWeights(sums, start, end, value, ratio, fade, red, green, blue) {
  for (let s = start; s <= end; s += 4) {
    const weight = value - CUTOFFS.normalized;
    sums[s] += weight * red;
    sums[s + 1] += weight * green;
    sums[s + 2] += weight * blue;
    sums[s + 3] += weight;
    value *= ratio;
    ratio *= fade;
  }
}

/** Add a row of a Gaussian behind those that have been added, with what their weights leave. */
function addBehind(sums, start, end, value, ratio, fade, red, green, blue) {
  for (let s = start; s <= end; s += 4) {
    const weight = value * (1 - sums[s + 3]);
    sums[s] += weight * red;
    sums[s + 1] += weight * green;
    sums[s + 2] += weight * blue;
    sums[s + 3] += weight;
    value *= ratio;
    ratio *= fade;
  }
}

/** Add noise to the sums of samples, where `strengths` are the sums of its strength. */
function addGrain(sums, strengths, picture, { width, height, region, across, down }, top) {
  const numColumns = region[2] * across;
  const noise = noiseAt(placesOf(region[0] * across, numColumns, width * across, picture.width));
  const numRows = sums.length / (4 * numColumns);
  const rows = placesOf((region[1] + top) * down, numRows, height * down, picture.height);
  let s = 0;
  for (const row of rows) {
    for (const value of noise(row)) {
      const added = (strengths[s] * value) / NOISE_DEVIATION;
      for (let channel = 0; channel < 3; channel++) sums[s + channel] += added;
      s += 4;
    }
  }
}

/**
 * Write the pixels of samples, the means of what a screen would show of them, into red, green and blue, or into alpha.
 */
function store(pixels, sums, { region, across, down }, isAlpha) {
  const rowLength = 4 * region[2] * across;
  const factor = 255 / (across * down);
  for (let pixel = 0, corner = 0; pixel < pixels.length; pixel += 4, corner += 4 * across) {
    // The other samples of a row of pixels have been seen to.
    if (corner % rowLength === 0 && pixel > 0) corner += rowLength * (down - 1);
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let start = corner; start < corner + rowLength * down; start += rowLength) {
      for (let s = start; s < start + 4 * across; s += 4) {
        const share = 1 / sums[s + 3];
        red += clipped(sums[s] * share);
        green += clipped(sums[s + 1] * share);
        blue += clipped(sums[s + 2] * share);
      }
    }
    if (isAlpha) {
      pixels[pixel + 3] = Math.floor(red * factor + 0.5);
    } else {
      pixels[pixel] = Math.floor(red * factor + 0.5);
      pixels[pixel + 1] = Math.floor(green * factor + 0.5);
      pixels[pixel + 2] = Math.floor(blue * factor + 0.5);
    }
  }
}

function clipped(value) {
  return value > 1 ? 1 : value > 0 ? value : 0;
}
