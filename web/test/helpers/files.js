// Files that are made for a test.

import { crc32 } from "../../src/bytes.js";

/** Return a file without its checksum. */
export function withoutChecksum(bytes) {
  return bytes.subarray(0, bytes.length - (bytes.length <= 4098 ? 2 : 4));
}

/** Return the file with this content, whose checksum is right. */
export function withChecksum(body) {
  const checksum = crc32(body);
  const count = body.length <= 4096 ? 2 : 4;
  return Uint8Array.from([...body, ...[0, 8, 16, 24].slice(0, count).map((shift) => (checksum >>> shift) & 255)]);
}

/** Return integers that look random, below n, the same in every run. */
export function generator(seed) {
  return (n) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
}
