// A reader of the PNG files of the conformance set: 8 bits a channel, not interlaced, no palette.

import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";

const CHANNELS = { 0: 1, 2: 3, 4: 2, 6: 4 };

/** Return { width, height, channels, data } with the channels of a pixel side by side. */
export function readPng(path) {
  const file = readFileSync(path);
  const parts = [];
  let width, height, channels;
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    const type = file.toString("latin1", at + 4, at + 8);
    const content = file.subarray(at + 8, at + 8 + file.readUInt32BE(at));
    if (type === "IHDR") {
      [width, height, channels] = [content.readUInt32BE(0), content.readUInt32BE(4), CHANNELS[content[9]]];
      if (content[8] !== 8 || content[12] !== 0 || !channels) throw new Error(`${path} is a PNG of another kind`);
    }
    if (type === "IDAT") parts.push(content);
  }
  const filtered = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const data = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const left = i < channels ? 0 : data[y * stride + i - channels];
      const above = y === 0 ? 0 : data[(y - 1) * stride + i];
      const corner = i < channels || y === 0 ? 0 : data[(y - 1) * stride + i - channels];
      const guess = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter];
      data[y * stride + i] = filtered[y * (stride + 1) + 1 + i] + guess;
    }
  }
  return { width, height, channels, data };
}

function paeth(left, above, corner) {
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(left + above - corner - value));
  return a <= b && a <= c ? left : b <= c ? above : corner;
}
