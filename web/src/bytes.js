// Plain bytes one after another: a cursor that never runs past the end, and the checksum.

import { TgsError } from "./errors.js";

/** A position in bytes that moves on with every read. */
export class ByteCursor {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.position = 0;
  }

  get remaining() {
    return this.bytes.length - this.position;
  }

  /** Return the next bytes. */
  take(count) {
    if (count > this.remaining) throw new TgsError("The file is truncated: it ends before everything it announces.");
    this.position += count;
    return this.bytes.subarray(this.position - count, this.position);
  }

  /** Return an integer of four bytes, the lowest first. */
  u32() {
    const [a, b, c, d] = this.take(4);
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  /**
   * Return an integer in groups of seven bits, one group a byte, the lowest group first. The high bit of a byte is set
   * if more bytes follow. At most five bytes, and no more than needed.
   */
  varint() {
    let value = 0;
    for (let place = 1; place < 2 ** 35; place *= 128) {
      const [byte] = this.take(1);
      value += (byte & 127) * place; // up to 35 bits, too many for |
      if (byte < 128) {
        if (byte === 0 && place > 1) break;
        return value;
      }
    }
    throw new TgsError("The file is invalid: a number in its header is not in the shortest form.");
  }
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, crc) => {
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 && 0xedb88320);
  return crc;
});

/** Return the CRC-32 of bytes, as in zlib and PNG. */
export function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}
