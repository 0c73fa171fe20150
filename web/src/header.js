// What a file says of itself before its payload is decoded.
//
//     signature 3 | version and flags 1 | numbers, varints | payload | chunks, if flagged | checksum 2 or 4

import { ByteCursor, crc32 } from "./bytes.js";
import { ALPHA_TAG, readChunks } from "./chunks.js";
import { LimitError, TgsError } from "./errors.js";
import { MAX_SIDE, checkMost, fileBytesAllowed, payloadBytesAllowed } from "./limits.js";

const VERSION = 1;

const HAS_CHUNKS = 1;
const IS_FRONT_TO_BACK = 2;
const IS_GRAY = 4;
const HAS_GRAIN = 8;

const SIGNATURE = "\x89TG";
const DRAFT_SIGNATURE = "\x89TGS\r\n\x1a\n";

const LOOKALIKES = {
  "\x1f\x8b": "a Telegram animated sticker, which also ends in .tgs, or another gzip file",
  "\x89PNG": "a PNG image",
  "\xff\xd8\xff": "a JPEG image",
  RIFF: "a WebP image or another RIFF file",
  GIF8: "a GIF image",
};

/** 2^8 times 2^(i / 8), rounded. */
const SUBDIVISIONS = [256, 279, 304, 332, 362, 395, 431, 470];

/**
 * Return the header of a file and, as `alpha`, that of its alpha plane, if there is one. Nothing but the payloads is
 * left to check afterwards.
 *
 * @param {Uint8Array} bytes the whole file
 * @param limits complete ones
 */
export function readHeader(bytes, limits) {
  const most = fileBytesAllowed(limits);
  if (bytes.length > most && startsWith(bytes, SIGNATURE)) {
    throw new LimitError(`The file has ${bytes.length} bytes, more than the ${most} that all limits together allow.`);
  }
  const header = readLayer(bytes, limits, false);
  if (!header.chunks.has(ALPHA_TAG)) return header;
  const alpha = readLayer(header.chunks.get(ALPHA_TAG), limits, true);
  if (!alpha.isGray || alpha.width !== header.width || alpha.height !== header.height) {
    throw new TgsError("The file is invalid: its alpha plane is not a gray picture of the same size.");
  }
  checkMost(
    header.numGaussians + alpha.numGaussians,
    "Gaussians in its picture and its alpha plane",
    limits.maxGaussians,
  );
  return { ...header, alpha };
}

/** Do the work of `readHeader`, but for what is within the alpha plane. That itself may have no chunks. */
function readLayer(bytes, limits, isPlane) {
  const cursor = new ByteCursor(verified(bytes));
  cursor.take(SIGNATURE.length);
  const [flags] = cursor.take(1);
  if (isPlane && flags & HAS_CHUNKS) throw new TgsError("The file is invalid: its alpha plane has chunks of its own.");
  const width = cursor.varint();
  const height = cursor.varint();
  const numGaussians = cursor.varint();
  const [columns, subdivisionCode, covarianceK, colorK] = numGaussians
    ? [cursor.varint(), cursor.varint(), cursor.varint(), cursor.varint()]
    : [1, 0, 0, 0];
  if (subdivisionCode > 128) {
    throw new TgsError(`The file is invalid: its cells have the subdivision code ${subdivisionCode}.`);
  }
  const payloadBytes = flags & HAS_CHUNKS ? cursor.varint() : cursor.remaining;
  const header = {
    version: VERSION,
    width,
    height,
    blending: flags & IS_FRONT_TO_BACK ? "alpha" : "normalized",
    isGray: (flags & IS_GRAY) > 0,
    hasGrain: (flags & HAS_GRAIN) > 0,
    numGaussians,
    columns,
    rows: rowsOf(columns, width, height),
    subdivision: subdivisionOf(subdivisionCode),
    covarianceK,
    colorK,
    headerBytes: cursor.position,
    payloadBytes,
  };
  check(header, limits);
  return { ...header, payload: cursor.take(payloadBytes), chunks: readChunks(cursor, limits.maxChunkBytes) };
}

/** Return a file without its checksum. Signature, version and checksum are verified in this order. */
function verified(bytes) {
  if (!bytes.length) throw new TgsError("The file is empty.");
  if (!startsWith(bytes, SIGNATURE)) {
    if (startsWith(bytes, SIGNATURE.slice(0, bytes.length))) {
      throw new TgsError("The file is truncated: it ends within its signature.");
    }
    const magic = Object.keys(LOOKALIKES).find((start) => startsWith(bytes, start));
    throw new TgsError(`This is not a .tgs file of Gaussians${magic ? `; it looks like ${LOOKALIKES[magic]}` : ""}.`);
  }
  if (startsWith(bytes, DRAFT_SIGNATURE)) {
    throw new TgsError("The file is of a draft of the format, from before 0.1.0; encode its picture again.");
  }
  const version = bytes[3] >> 4;
  if (bytes.length > 3 && version !== VERSION) {
    throw new TgsError(`The file has version ${version} of the format, and only ${VERSION} is understood.`);
  }
  const body = bytes.subarray(0, bytes.length - checksumBytes(bytes.length - 2));
  const checksum = crc32(body);
  const isRight = (byte, i) => byte === ((checksum >>> (8 * i)) & 255);
  const isRightLength = body.length > SIGNATURE.length && bytes.length - body.length === checksumBytes(body.length);
  if (!isRightLength || !bytes.subarray(body.length).every(isRight)) {
    throw new TgsError("The file is damaged or truncated: its checksum does not match.");
  }
  return body;
}

function checksumBytes(bodyBytes) {
  return bodyBytes <= 4096 ? 2 : 4;
}

function startsWith(bytes, start) {
  return [...start].every((character, i) => bytes[i] === character.charCodeAt(0));
}

/** Return the rows of a grid of cells that are about square. */
function rowsOf(columns, width, height) {
  const rows = Math.floor((2 * columns * height + width) / (2 * width));
  return Math.min(Math.max(rows, 1), MAX_SIDE);
}

function subdivisionOf(code) {
  return code && (SUBDIVISIONS[(code - 1) % 8] * 2 ** Math.floor((code - 1) / 8)) >> 8;
}

/** Throw if the numbers in a header are impossible or too large. */
function check(header, limits) {
  const { width, height, columns, rows, numGaussians, payloadBytes, covarianceK, colorK } = header;
  for (const [value, what, most] of [
    [width, "pixels of width", limits.maxSide],
    [height, "pixels of height", limits.maxSide],
    [columns, "columns of cells", limits.maxSide],
    [rows, "rows of cells", limits.maxSide],
    [width * height, "pixels", limits.maxPixels],
  ]) {
    if (value === 0) throw new TgsError(`The file is invalid: it has no ${what}.`);
    checkMost(value, what, most);
  }
  checkMost(numGaussians, "Gaussians", limits.maxGaussians);
  if (numGaussians > 4096 + 64 * payloadBytes) {
    throw new LimitError(`The file has ${numGaussians} Gaussians, too many for ${payloadBytes} bytes of payload.`);
  }
  for (const numCodewords of [covarianceK, colorK]) {
    checkMost(numCodewords, "codewords", limits.maxCodewords);
    if (numCodewords < Math.min(1, numGaussians) || numCodewords > numGaussians) {
      throw new TgsError(`The file is invalid: ${numCodewords} codewords for ${numGaussians} Gaussians.`);
    }
  }
  const most = payloadBytesAllowed(numGaussians, covarianceK + colorK);
  if (payloadBytes > most) {
    throw new LimitError(
      `The file has ${payloadBytes} bytes of payload, more than the ${most} allowed for its Gaussians and codewords.`,
    );
  }
}
