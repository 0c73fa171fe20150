// From the bytes of a file to its integers and its Gaussians.

import { TgsError } from "./errors.js";
import { gaussiansOf } from "./gaussians.js";
import { readHeader } from "./header.js";
import { completeLimits } from "./limits.js";
import { decodePayload } from "./payload.js";

/**
 * Return the picture in a .tgs file.
 *
 * @param {Uint8Array | ArrayBuffer} bytes the whole file
 * @param {{limits?: object}} options `limits` of what the file may ask for; see `Limits` in index.d.ts
 */
export function decode(bytes, { limits } = {}) {
  const data = bytesOf(bytes);
  const complete = completeLimits(limits);
  const header = readHeader(data, complete);
  return { ...layerOf(header), alpha: header.alpha && layerOf(header.alpha), chunks: header.chunks, limits: complete };
}

/** Return the picture or its alpha plane, without the bytes that it is made from. */
function layerOf({ payload, chunks, alpha, ...header }) {
  const { integers, covariances, colors } = decodePayload({ ...header, payload });
  return { ...header, integers, gaussians: gaussiansOf(header, integers, covariances, colors) };
}

function bytesOf(bytes) {
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  throw new TgsError("A .tgs file is decoded from a Uint8Array or an ArrayBuffer.");
}
