// For fuzz/javascript.py, which has many files for one process: reads files from the standard input, each behind its
// length in four bytes, the lowest first. Answers each with a line of JSON, see `examine`. The argument is the path of the
// decoder's module, src/index.js or one that stands for it.

import { createHash } from "node:crypto";
import { readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const { LimitError, TgsError, decode, render } = await import(pathToFileURL(resolve(process.argv[2])));

/** What this process had before the first file. */
const MEBIBYTES_AT_START = forgetPeak();

/** Pictures are drawn with sides no longer than this. */
const MAX_SIDE = 64;

/**
 * Decode a file, and draw it with its grain.
 *
 * @returns {object} `name` is "decoded" or the class of what was thrown, and `sentence` its message; `digest` is that
 *   of the integers; `drawing` has name and sentence of what was thrown by drawing; `seconds` of processor time are what
 *   both took; `mebibytes` are the most memory above what the process had at its start, with what earlier files have
 *   left behind, or 0 where that is unknown
 */
function examine(bytes) {
  forgetPeak();
  const started = process.cpuUsage();
  const decoding = attempt(() => decode(bytes));
  const picture = decoding.result;
  const drawing = picture && attempt(() => draw(picture));
  const { user, system } = process.cpuUsage(started);
  const seconds = (user + system) / 1e6;
  const mebibytes = Math.max(0, peakMebibytes() - MEBIBYTES_AT_START);
  const answer = { ...decoding, result: undefined, seconds, mebibytes };
  return picture ? { ...answer, digest: digestOf(picture), drawing: { ...drawing, result: undefined } } : answer;
}

function attempt(action) {
  try {
    return { name: "decoded", sentence: "", result: action() };
  } catch (error) {
    // By the classes, and not by their names, which anything can have.
    const kind = error instanceof LimitError ? "LimitError" : error instanceof TgsError ? "TgsError" : undefined;
    return { name: kind ?? `${error?.constructor?.name}`, sentence: `${error?.message}`, isTgsError: Boolean(kind) };
  }
}

function draw(picture) {
  const scale = Math.min(1, MAX_SIDE / Math.max(picture.width, picture.height));
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(scale * side)));
  const pixels = render(picture, { width, height, grain: true });
  if (pixels.length !== 4 * width * height) throw new Error("another number of pixels than was asked for");
}

/** Return the SHA-256 of all that a file holds: integers as doubles, in the order of `integersOf`, and its chunks. */
function digestOf(picture) {
  const hash = createHash("sha256");
  for (const layer of picture.alpha ? [picture, picture.alpha] : [picture]) {
    for (const integers of integersOf(layer)) hash.update(Float64Array.from(integers));
  }
  for (const [tag, content] of picture.chunks) hash.update(Buffer.from(tag, "latin1")).update(content);
  return hash.digest("hex");
}

function* integersOf({ integers, ...layer }) {
  const { width, height, numGaussians, columns, rows, subdivision, covarianceK, colorK } = layer;
  yield [width, height, layer.blending === "alpha", layer.isGray, layer.hasGrain];
  yield [numGaussians, columns, rows, subdivision, covarianceK, colorK];
  yield integers.background;
  yield [integers.areaCode, ...integers.stepCodes];
  yield integers.covarianceCodewords;
  yield integers.colorCodewords;
  yield integers.covarianceIndices;
  yield integers.colorIndices;
  yield integers.cells;
  yield integers.pointsX;
  yield integers.pointsY;
  yield integers.shears;
  yield integers.offsetsX;
  yield integers.offsetsY;
  yield integers.grain ?? [];
}

/** Let Linux forget the most memory that this process had, and return what it has now. */
function forgetPeak() {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    return Infinity;
  }
  return peakMebibytes();
}

function peakMebibytes() {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))[1]) / 1024;
  } catch {
    return 0;
  }
}

/** Return the next bytes of the standard input, or undefined at its end. */
function take(length) {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = readSync(0, bytes, at, length - at, null);
    if (!count) return undefined;
    at += count;
  }
  return bytes;
}

for (let head; (head = take(4));) {
  const bytes = take(new DataView(head.buffer).getUint32(0, true));
  const answer = Buffer.from(`${JSON.stringify(examine(bytes))}\n`);
  for (let at = 0; at < answer.length;) at += writeSync(1, answer, at);
}
