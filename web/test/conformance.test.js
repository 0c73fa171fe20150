// The conformance set: integers exactly, pixels within 1, and what is bad refused in the words of the Python package.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LimitError, TgsError, decode, render } from "../src/index.js";
import { BAD, VALID, bytesOf, expectedIntegers, integersOf, pathOf } from "./helpers/conformance.js";
import { largestDifference } from "./helpers/pixels.js";
import { readPng } from "./helpers/png.js";

test("the set is there", () => {
  assert.ok(VALID.length >= 115);
  assert.ok(BAD.length >= 102);
});

for (const name of VALID) {
  test(`valid/${name}`, () => {
    const picture = decode(bytesOf(`valid/${name}.tgs`));
    const expected = expectedIntegers(name);
    assert.deepEqual(integersOf(picture), expected);
    const drawings = [["", false]];
    if (expected.grain) drawings.push(["_grain", true]);
    for (const [suffix, grain] of drawings) {
      const png = readPng(pathOf(`valid/${name}${suffix}.png`));
      assert.deepEqual([png.height, png.width], expected.image_size);
      const pixels = render(picture, { grain });
      assert.equal(pixels.length, 4 * png.width * png.height);
      assert.ok(largestDifference(pixels, png) <= 1, `${largestDifference(pixels, png)}${suffix}`);
    }
  });
}

for (const { file, error, found_by, sentence } of BAD) {
  test(`bad/${file}`, () => {
    const bytes = bytesOf(`bad/${file}.tgs`);
    const refused = (thrown) => {
      assert.ok(thrown instanceof TgsError, thrown?.stack);
      assert.equal(thrown instanceof LimitError, error === "LimitError");
      assert.equal(thrown.message, sentence);
      return true;
    };
    if (found_by === "parse") assert.throws(() => decode(bytes), refused);
    else assert.throws(() => render(decode(bytes)), refused);
  });
}
