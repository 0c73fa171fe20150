// The layers of a picture that are drawn: its colours, the strengths of its grain, and its alpha plane.

import { LimitError } from "./errors.js";
import { pairsAllowed } from "./limits.js";
import { backdrop, project } from "./projection.js";

const TILE = 16;

/**
 * Return the layers of a picture, each with its projected Gaussians, front to back, and whether their weights are
 * normalised. The last one is the background. What there is none of is undefined.
 *
 * @param picture of `decode`
 * @param viewport of `chooseViewport`
 * @param {boolean} [grain] whether to draw grain, if the file says how strong it is
 * @throws LimitError if they take too much time to draw
 */
export function layersOf(picture, viewport, grain) {
  const { alpha } = picture;
  const gaussians = project(picture, viewport);
  const ofPlane = alpha && project(alpha, viewport);
  // The strength of grain at each sample is what the deviations of Gaussians make in place of their colours.
  const ofGrain =
    grain && picture.hasGrain
      ? gaussians.map((gaussian, g) => [...gaussian.slice(0, 8), ...new Array(3).fill(picture.gaussians.grain[g])])
      : undefined;
  checkPairs(picture, viewport, gaussians, ofGrain, ofPlane);
  return {
    colors: layerOf(gaussians, picture, picture.gaussians.background),
    strengths: ofGrain && layerOf(ofGrain, picture, [0, 0, 0]),
    plane: alpha && layerOf(ofPlane, alpha, alpha.gaussians.background),
  };
}

function layerOf(gaussians, { blending }, background) {
  return { gaussians: [...gaussians, backdrop(background, blending)], isNormalized: blending === "normalized" };
}

function checkPairs(picture, viewport, gaussians, ofGrain, ofPlane) {
  const { across, down, region } = viewport;
  const [width, height] = [region[2] * across, region[3] * down];
  const own = ofPlane ? [picture, picture.alpha] : [picture];
  const sum = (count) => own.reduce((total, layer) => total + count(layer), 0);
  let allowed = pairsAllowed(
    picture.limits,
    sum((layer) => layer.headerBytes + layer.payloadBytes),
    sum((layer) => layer.numGaussians),
    Math.max(across * down * viewport.width * viewport.height, picture.width * picture.height),
    width * height * (own.length + (ofGrain ? 1 : 0)),
  );
  for (const [drawn, times] of [
    [gaussians, ofGrain ? 2 : 1],
    [ofPlane ?? [], 1],
  ]) {
    const pairs = times * numPairs(drawn, width, height);
    if (pairs > allowed) {
      throw new LimitError(`The file has ${pairs} pairs of a Gaussian and a tile, more than the ${allowed} allowed.`);
    }
    allowed -= pairs;
  }
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
