// What a file may ask for.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LimitError, TgsError, decode, render } from "../src/index.js";
import { bytesOf } from "./helpers/conformance.js";

/** Check that a picture is decoded and drawn with a limit, and refused with a lower one. */
function checkLimit(name, limit, least, pattern, draws = (picture) => picture) {
  const bytes = bytesOf(`valid/${name}.tgs`);
  const tryWith = (most) => draws(decode(bytes, { limits: { [limit]: most } }));
  tryWith(least);
  assert.throws(
    () => tryWith(least - 1),
    (error) => error instanceof LimitError && pattern.test(error.message),
  );
}

test("each limit is where it should be", () => {
  checkLimit("alpha_plane", "maxPixels", 21 * 18, /^The file has 378 pixels, more than the 377 allowed\.$/);
  checkLimit("wide", "maxSide", 1000, /^The file has 1000 pixels of width, more than the 999 allowed\.$/);
  checkLimit("flags_9", "maxGaussians", 10, /^The file has 10 Gaussians, more than the 9 allowed\.$/);
  checkLimit("flags_9", "maxCodewords", 6, /^The file has 6 codewords, more than the 5 allowed\.$/);
  checkLimit("flags_9", "maxChunkBytes", 15, /^The file has 15 bytes of metadata, more than the 14 allowed\.$/);
  const { numGaussians, alpha } = decode(bytesOf("valid/alpha_plane.tgs"));
  const sentence = /^The file has \d+ Gaussians in its picture and its alpha plane, more than the \d+ allowed\.$/;
  checkLimit("alpha_plane", "maxGaussians", numGaussians + alpha.numGaussians, sentence);
});

test("the limit of pairs counts tiles of 16 x 16 samples", () => {
  const pattern = /^The file has \d+ pairs of a Gaussian and a tile, more than the \d+ allowed\.$/;
  checkLimit("one_pixel", "maxPairs", 1, pattern, render);
  checkLimit("one_pixel", "maxPairs", 4, pattern, (picture) => render(picture, { scale: 32 }));
});

test("a file larger than all limits together is refused before anything else", () => {
  const bytes = new Uint8Array(1024);
  bytes.set([0x89, 0x54, 0x47]);
  const limits = { maxGaussians: 0, maxCodewords: 0, maxChunkBytes: 0 };
  assert.throws(
    () => decode(new Uint8Array([...bytes, ...bytes, 0]), { limits }),
    /2049 bytes, more than the 2048 that all/,
  );
  assert.throws(() => decode(new Uint8Array([...bytes, ...bytes]), { limits }), /version 0/);
});

test("limits above those of the format change nothing", () => {
  assert.throws(
    () => decode(bytesOf("bad/too_wide.tgs"), { limits: { maxSide: 2 ** 40 } }),
    /65536 pixels of width, more than the 65535 allowed/,
  );
});

test("a limit that is no number is refused, and one that is not given is the usual one", () => {
  const bytes = bytesOf("valid/flags_9.tgs");
  for (const limit of ["maxPixels", "maxSide", "maxGaussians", "maxCodewords", "maxChunkBytes", "maxPairs"]) {
    const tryWith = (most) => decode(bytes, { limits: { [limit]: most } }).limits[limit];
    for (const most of [undefined, null]) assert.equal(tryWith(most), decode(bytes).limits[limit]);
    assert.equal(tryWith("1000"), 1000);
    for (const most of [NaN, "many", -1, {}]) {
      const message = `The limit ${limit} must be a number from 0, not ${most}.`;
      assert.throws(() => tryWith(most), { message });
    }
  }
  assert.throws(() => decode(bytes, { limits: { maxPixel: 5 } }), { message: "There is no limit maxPixel." });
});

test("options that make no sense are refused", () => {
  const picture = decode(bytesOf("valid/flags_9.tgs"), { limits: { maxPixels: 1000 } });
  for (const [options, pattern] of [
    [{ scale: 0 }, /^scale must be a positive number, not 0$/],
    [{ scale: Infinity }, /^scale must be a positive number/],
    [{ width: 5 }, /^size must be 2 whole numbers/],
    [{ width: 5, height: 5.5 }, /^size must be 2 whole numbers/],
    [{ width: 0, height: 5 }, /^a picture has at least 1x1 pixels, not 0x5$/],
    [{ width: 5, height: 5, scale: 1 }, /^scale and size exclude each other: give one of them$/],
    [{ region: [0, 0, 22, 18] }, /^the region x=0, y=0, width=22, height=18 reaches beyond a picture of 21x18$/],
    [{ region: [0, 0, 0, 2] }, /^a region has at least 1x1 pixels, not 0x2$/],
    [{ region: [-1, 0, 2, 2] }, /reaches beyond a picture/],
    [{ region: [0, 0, 1] }, /^region must be 4 whole numbers/],
    [{ scale: 2 }, /^42x36 pixels are more than the limit, 1,000 and 65,535 a side\.$/],
    [{ scale: 1e9 }, /^A picture is drawn, whole or in part, as if of at most 16,777,216 pixels a side\.$/],
  ]) {
    assert.throws(
      () => render(picture, options),
      (error) => error instanceof TgsError && pattern.test(error.message),
      JSON.stringify(options),
    );
  }
});
