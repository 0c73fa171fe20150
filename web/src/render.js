// Drawing in plain JavaScript.

import { NOISE_DEVIATION, Noise, placesOf } from "./grain.js";
import { A, AMPLITUDE, C, CUTOFFS, EXTENT_X, EXTENT_Y, PROJECTED, SHEAR, X, Y, checkPairs, project } from "./projection.js";
import { chooseViewport } from "./viewport.js";

/** So many are added up at a time, in about 16 MB. */
const SAMPLES_AT_A_TIME = 2 ** 20;

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
  const { alpha } = picture;
  const colors = { ...picture.gaussians, projected: project(picture, viewport) };
  const strengths = options.grain && picture.hasGrain ? grainOf(colors) : undefined;
  const plane = alpha && { ...alpha.gaussians, projected: project(alpha, viewport) };
  checkPairs(picture, viewport, [[colors.projected, strengths ? 2 : 1], ...(plane ? [[plane.projected, 1]] : [])]);

  const pixels = new Uint8ClampedArray(4 * width * height).fill(255);
  const rowsAtATime = Math.max(1, Math.floor(SAMPLES_AT_A_TIME / (width * viewport.across * viewport.down)));
  for (let top = 0; top < height; top += rowsAtATime) {
    const bottom = Math.min(top + rowsAtATime, height);
    const some = pixels.subarray(4 * width * top, 4 * width * bottom);
    const samples = blend(colors, picture.blending, viewport, top, bottom);
    if (strengths) addGrain(samples, blend(strengths, picture.blending, viewport, top, bottom), picture, viewport, top);
    store(some, samples, viewport, [0, 1, 2]);
    if (plane) store(some, blend(plane, alpha.blending, viewport, top, bottom), viewport, [3]);
  }
  return pixels;
}

/** Return a layer that gives the strength of grain at each sample: the deviations of Gaussians in place of colours. */
export function grainOf({ projected, grain }) {
  return {
    projected,
    colors: Float32Array.from({ length: 3 * grain.length }, (_, i) => grain[Math.floor(i / 3)]),
    background: new Float32Array(3),
  };
}

/**
 * Return the colours of the samples of some rows of pixels, from `top` to before `bottom`, red, green, blue and a fourth
 * number each. They may leave 0 to 1.
 */
function blend({ projected, colors, background }, blending, viewport, top, bottom) {
  const width = viewport.region[2] * viewport.across;
  const sums = new Float32Array(4 * width * (bottom - top) * viewport.down);
  accumulate(sums, projected, colors, blending, width, top * viewport.down, bottom * viewport.down);
  const [red, green, blue] = background;
  for (let s = 0; s < sums.length; s += 4) {
    // What the Gaussians leave to the background, and what the sum of all weights is.
    const rest = blending === "normalized" ? 1 / 16 : 1 - sums[s + 3];
    const total = blending === "normalized" ? sums[s + 3] + 1 / 16 : 1;
    sums[s] = (sums[s] + rest * red) / total;
    sums[s + 1] = (sums[s + 1] + rest * green) / total;
    sums[s + 2] = (sums[s + 2] + rest * blue) / total;
  }
  return sums;
}

/**
 * Add up weighted colours and weights at the samples of some rows: red, green, blue and the weight of each sample.
 *
 * Blended front to back, a Gaussian has the weight w that the ones before it leave: w (1 - the sum of their weights).
 */
function accumulate(sums, projected, colors, blending, width, top, bottom) {
  const cutoff = CUTOFFS[blending];
  const isNormalized = blending === "normalized";
  for (let p = 0, g = 0; p < projected.length; p += PROJECTED, g += 3) {
    const [x, y, a, shear, c] = [projected[p + X], projected[p + Y], projected[p + A], projected[p + SHEAR], projected[p + C]];
    const [extentX, extentY] = [projected[p + EXTENT_X], projected[p + EXTENT_Y]];
    if (x + extentX < 0 || x - extentX > width) continue;
    const firstRow = Math.max(top, Math.ceil(y - extentY - 0.5));
    const lastRow = Math.min(bottom - 1, Math.floor(y + extentY - 0.5));
    const red = colors[g];
    const green = colors[g + 1];
    const blue = colors[g + 2];
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
      let value = projected[p + AMPLITUDE] * Math.exp(-(a * dx * dx + c * dy * dy) / 2);
      let ratio = Math.exp(-a * (dx + 0.5));
      const start = 4 * ((row - top) * width + first);
      const end = start + 4 * (last - first);
      for (let s = start; s <= end; s += 4) {
        const weight = isNormalized ? value - cutoff : value * (1 - sums[s + 3]);
        sums[s] += weight * red;
        sums[s + 1] += weight * green;
        sums[s + 2] += weight * blue;
        sums[s + 3] += weight;
        value *= ratio;
        ratio *= fade;
      }
    }
  }
}

/** Add noise of some strengths to samples. */
function addGrain(samples, strengths, picture, viewport, top) {
  const { width, height, region, across, down } = viewport;
  const numColumns = region[2] * across;
  const noise = new Noise(placesOf(region[0] * across, numColumns, width * across, picture.width));
  const numRows = samples.length / (4 * numColumns);
  placesOf((region[1] + top) * down, numRows, height * down, picture.height).forEach((place, row) => {
    noise.at(place).forEach((value, column) => {
      const s = 4 * (row * numColumns + column);
      const added = (strengths[s] * value) / NOISE_DEVIATION;
      for (let channel = 0; channel < 3; channel++) samples[s + channel] += added;
    });
  });
}

/** Write the means of samples, each as a screen would show it, into channels of pixels. */
function store(pixels, samples, { region, across, down }, channels) {
  const width = region[2];
  const stride = 4 * width * across;
  for (let pixel = 0; pixel < pixels.length / 4; pixel++) {
    const corner = Math.floor(pixel / width) * down * stride + (pixel % width) * across * 4;
    for (let i = 0; i < channels.length; i++) {
      let sum = 0;
      for (let row = 0; row < down; row++) {
        for (let column = 0; column < across; column++) {
          sum += Math.min(Math.max(samples[corner + row * stride + 4 * column + i], 0), 1);
        }
      }
      pixels[4 * pixel + channels[i]] = Math.floor((255 * sum) / (down * across) + 0.5);
    }
  }
}
