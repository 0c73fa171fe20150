// The layers of a picture that are drawn: its colours, the strengths of its grain, and its alpha plane.

import { LimitError } from "./errors.js";
import { pairsAllowed } from "./limits.js";
import { EXTENT_X, EXTENT_Y, PROJECTED, X, Y, project } from "./projection.js";

const TILE = 16;

/**
 * Return the layers of a picture, each with its Gaussians, their projections and the blending. What there is none of is
 * undefined.
 *
 * @param picture of `decode`
 * @param viewport of `chooseViewport`
 * @param {boolean} [grain] whether to draw grain, if the file says how strong it is
 * @throws LimitError if they take too much time to draw
 */
export function layersOf(picture, viewport, grain) {
  const colors = layerOf(picture, viewport);
  const strengths = grain && picture.hasGrain ? strengthsOf(colors) : undefined;
  const plane = picture.alpha && layerOf(picture.alpha, viewport);
  checkPairs(picture, viewport, { colors, strengths, plane });
  return { colors, strengths, plane };
}

function layerOf(picture, viewport) {
  return { ...picture.gaussians, blending: picture.blending, projected: project(picture, viewport) };
}

/** The strength of grain at each sample is what the deviations of Gaussians make in place of their colours. */
function strengthsOf(layer) {
  return { ...layer, colors: layer.colors.map((_, i) => layer.grain[Math.floor(i / 3)]) };
}

function checkPairs(picture, viewport, { colors, strengths, plane }) {
  const { across, down, region } = viewport;
  const own = picture.alpha ? [picture, picture.alpha] : [picture];
  const sum = (count) => own.reduce((total, layer) => total + count(layer), 0);
  const times = strengths ? 2 : 1;
  let allowed = pairsAllowed(
    picture.limits,
    sum((layer) => layer.headerBytes + layer.payloadBytes),
    sum((layer) => layer.numGaussians),
    Math.max(across * down * viewport.width * viewport.height, picture.width * picture.height),
    across * down * region[2] * region[3] * (own.length + times - 1),
  );
  const drawn = [[colors, times]];
  if (plane) drawn.push([plane, 1]);
  for (const [{ projected }, factor] of drawn) {
    const pairs = factor * numPairs(projected, region[2] * across, region[3] * down);
    if (pairs > allowed) {
      throw new LimitError(`The file has ${pairs} pairs of a Gaussian and a tile, more than the ${allowed} allowed.`);
    }
    allowed -= pairs;
  }
}

/** Return the number of pairs of a Gaussian and a tile of 16 x 16 samples that it reaches. */
function numPairs(projected, width, height) {
  let pairs = 0;
  for (let p = 0; p < projected.length; p += PROJECTED) {
    const across = tilesReached(projected[p + X], projected[p + EXTENT_X], width);
    pairs += across && across * tilesReached(projected[p + Y], projected[p + EXTENT_Y], height);
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
