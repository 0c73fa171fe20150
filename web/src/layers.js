// The layers of a picture that are drawn: its colours, the strengths of its grain, and its alpha plane.

import { LimitError } from "./errors.js";
import { pairsAllowed } from "./limits.js";
import { backdrop, project } from "./projection.js";

const TILE = 16;

/**
 * Return the layers of a picture, each with the blending and its projected Gaussians, front to back. The last Gaussian
 * is the background.
 *
 * @param picture of `decode`
 * @param viewport of `chooseViewport`
 * @param {boolean} [grain] whether to draw grain, if the file says how strong it is
 * @returns {{layers: object[], strengths?: object}} that of the colours, and that of alpha if there is one; and that of
 *   the strengths of grain if it is drawn
 * @throws LimitError if they take too much time to draw
 */
export function layersOf(picture, viewport, grain) {
  const own = picture.alpha ? [picture, picture.alpha] : [picture];
  const projected = own.map((layer) => project(layer, viewport));
  const deviations = grain && picture.gaussians.grain;
  checkPairs(own, projected, viewport, deviations);
  const layerOf = (gaussians, { blending }, background) => ({
    blending,
    gaussians: [...gaussians, backdrop(background, blending)],
  });
  // The strength of grain at each sample is what the deviations of Gaussians make in place of their colours.
  const withDeviation = (gaussian, g) => [...gaussian.slice(0, 8), deviations[g], deviations[g], deviations[g]];
  return {
    layers: own.map((layer, i) => layerOf(projected[i], layer, layer.gaussians.background)),
    strengths: deviations && layerOf(projected[0].map(withDeviation), picture, [0, 0, 0]),
  };
}

function checkPairs(own, projected, { across, down, width, height, region }, hasGrain) {
  const [picture] = own;
  const [columns, rows] = [region[2] * across, region[3] * down];
  const sum = (count) => own.reduce((total, layer) => total + count(layer), 0);
  let allowed = pairsAllowed(
    picture.limits,
    sum((layer) => layer.headerBytes + layer.payloadBytes),
    sum((layer) => layer.numGaussians),
    Math.max(across * down * width * height, picture.width * picture.height),
    columns * rows * (own.length + (hasGrain ? 1 : 0)),
  );
  projected.forEach((gaussians, i) => {
    const times = hasGrain && i === 0 ? 2 : 1;
    const pairs = times * numPairs(gaussians, columns, rows);
    if (pairs > allowed) {
      throw new LimitError(`The file has ${pairs} pairs of a Gaussian and a tile, more than the ${allowed} allowed.`);
    }
    allowed -= pairs;
  });
}

/** Return the number of pairs of a Gaussian and a tile of 16 x 16 samples that it reaches. */
function numPairs(gaussians, width, height) {
  let pairs = 0;
  for (const [x, y, extentX, extentY] of gaussians) {
    const across = tilesReached(x, extentX, width);
    pairs += across && across * tilesReached(y, extentY, height);
  }
  return pairs;
}

function tilesReached(center, extent, side) {
  const first = Math.ceil(center - extent - 0.5);
  const last = Math.floor(center + extent - 0.5);
  const start = Math.max(0, Math.floor(first / TILE));
  const end = Math.min(Math.floor(last / TILE) + 1, Math.ceil(side / TILE));
  return first > last ? 0 : Math.max(0, end - start);
}
