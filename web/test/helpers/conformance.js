// The files of tests/conformance, and what this decoder finds in them, in the form of that folder's JSON files.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

const FOLDER = new URL("../../../tests/conformance/", import.meta.url);

export const VALID = readdirSync(new URL("valid/", FOLDER))
  .filter((name) => name.endsWith(".tgs"))
  .map((name) => name.slice(0, -4));

/** The rows of errors.tsv: { file, error, found_by, sentence }. */
export const BAD = tableOf("bad/errors.tsv");

export function pathOf(name) {
  return new URL(name, FOLDER);
}

export function bytesOf(name) {
  return new Uint8Array(readFileSync(pathOf(name)));
}

export function expectedIntegers(name) {
  return JSON.parse(readFileSync(pathOf(`valid/${name}.json`), "utf-8"));
}

function tableOf(name) {
  const [head, ...rows] = readFileSync(pathOf(name), "utf-8").trimEnd().split("\n");
  const fields = head.split("\t");
  return rows.map((row) => Object.fromEntries(row.split("\t").map((value, i) => [fields[i], value])));
}

/** Return what the JSON files say of a picture. */
export function integersOf(picture) {
  const { integers, columns } = picture;
  const found = {
    version: picture.version,
    image_size: [picture.height, picture.width],
    blending: picture.blending,
    is_gray: picture.isGray,
    background: [...integers.background],
  };
  if (picture.numGaussians) {
    const steps = [...integers.stepCodes];
    found.grid_size = [picture.rows, columns];
    found.subdivision = picture.subdivision;
    found.area_code = integers.areaCode;
    found.covariance_steps = steps.slice(0, 3);
    found.color_steps = picture.isGray ? [steps[3], steps[6]] : steps.slice(3);
  }
  found.covariance_codewords = tuples(integers.covarianceCodewords, 3);
  found.covariance_indices = [...integers.covarianceIndices];
  found.color_codewords = tuples(integers.colorCodewords, 4);
  found.color_indices = [...integers.colorIndices];
  found.cells = Array.from(integers.cells, (cell) => [Math.floor(cell / columns), cell % columns]);
  if (picture.subdivision) {
    const { pointsX, pointsY, shears, offsetsX, offsetsY } = integers;
    found.lattices = Array.from(pointsX, (points, g) => [points, pointsY[g], shears[g]]);
    found.offsets = Array.from(offsetsX, (i, g) => [offsetsY[g], i]);
  }
  if (picture.hasGrain) found.grain = [...integers.grain];
  if (picture.chunks?.size) {
    const described = ([tag, content]) => [
      tag,
      { length: content.length, sha256: createHash("sha256").update(content).digest("hex") },
    ];
    found.chunks = Object.fromEntries([...picture.chunks].map(described));
  }
  if (picture.alpha) found.alpha = integersOf(picture.alpha);
  return found;
}

function tuples(flat, size) {
  return Array.from({ length: flat.length / size }, (_, i) => [...flat.subarray(size * i, size * (i + 1))]);
}
