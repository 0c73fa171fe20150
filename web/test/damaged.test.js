// Damaged files are refused with a TgsError, and by nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TgsError, decode, render } from "../src/index.js";
import { VALID, bytesOf } from "./helpers/conformance.js";
import { generator, withChecksum, withoutChecksum } from "./helpers/files.js";

const LIMITS = { maxPixels: 2 ** 16, maxChunkBytes: 2 ** 16, maxPairs: 2 ** 14 };

/** Decode and draw a file, and return whether that could be done. */
function isDecoded(bytes) {
  try {
    const picture = decode(bytes, { limits: LIMITS });
    assert.equal(render(picture).length, 4 * picture.width * picture.height);
    return true;
  } catch (error) {
    if (error instanceof TgsError) return false;
    throw error;
  }
}

test("a file cut anywhere is refused", () => {
  for (const name of ["grain_normalized", "subdivided", "gray_alpha", "every_chunk"]) {
    const bytes = bytesOf(`valid/${name}.tgs`);
    for (let length = 0; length < bytes.length; length++) assert.ok(!isDecoded(bytes.subarray(0, length)), `${name}`);
  }
});

test("a file whose payload is cut, with the right checksum, is refused or gives another picture", () => {
  for (const name of ["grain_normalized", "subdivided"]) {
    const body = withoutChecksum(bytesOf(`valid/${name}.tgs`));
    for (let length = 0; length < body.length; length++) isDecoded(withChecksum(body.subarray(0, length)));
  }
});

test("changed bytes are refused, or give another picture", () => {
  const below = generator(1);
  let numDecoded = 0;
  for (const name of VALID) {
    const body = withoutChecksum(bytesOf(`valid/${name}.tgs`));
    if (body.length > 4096) continue;
    for (let round = 0; round < 12; round++) {
      const changed = body.slice();
      for (let i = 0; i <= below(2); i++) changed[3 + below(body.length - 3)] ^= 1 << below(8);
      numDecoded += isDecoded(withChecksum(changed));
    }
  }
  assert.ok(numDecoded > 0);
});

test("bytes that look random are refused", () => {
  const below = generator(2);
  let numDecoded = 0;
  for (let round = 0; round < 500; round++) {
    const body = Uint8Array.from({ length: 4 + below(100) }, () => below(256));
    body.set([0x89, 0x54, 0x47, 0x10 | below(16)]);
    numDecoded += isDecoded(withChecksum(body));
  }
  assert.equal(numDecoded, 0);
});

test("what is no bytes is refused", () => {
  for (const bytes of [undefined, null, 5, "text", [137, 84, 71]]) assert.throws(() => decode(bytes), TgsError);
});
