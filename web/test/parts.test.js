// Parts of the decoder by themselves.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { deflateRawSync, deflateSync, inflateSync } from "node:zlib";

import { moduleOf, pythonTables } from "../scripts/priors.js";
import { quantizerOf } from "../src/channels.js";
import { betaBinomial, exactBetaBinomial } from "../src/distributions.js";
import { inflate } from "../src/inflate.js";
import { LimitError, TgsError, decode, render } from "../src/index.js";
import { latticeFactor, latticePoints, latticeShape } from "../src/lattice.js";
import { bytesOf } from "./helpers/conformance.js";
import { generator } from "./helpers/files.js";

const DAMAGED = "The file is invalid: its name cannot be decompressed.";
const NOT_ONE_STREAM = "The file is invalid: its name is not one zlib stream.";

test("the priors are those of the Python package", () => {
  const tables = pythonTables();
  assert.deepEqual(
    tables.map((table) => table.length),
    new Array(7).fill(64),
  );
  assert.equal(readFileSync(new URL("../src/priors_table.js", import.meta.url), "utf-8"), moduleOf(tables));
  tables.forEach((table, channel) => {
    const [low, high] = [channel ? (channel < 3 ? -8 : -1) : -16, [8, 8, 8, 2, 1, 1, 2][channel]];
    const { sums } = quantizerOf(channel, 0, 0, { blending: "normalized", isGray: false });
    const total = table.reduce((sum, prior) => sum + prior, 0);
    assert.equal(sums.at(-1), 2 ** 12 * total + sums.length - 1, `${low} to ${high}`);
  });
});

test("distributions of doubles are those of exact integers", () => {
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 31, 32, 63, 100, 127, 128, 254, 255]) {
    for (let a = 1; a < 16; a++) {
      for (let code = 0; code < 8; code++) {
        assert.deepEqual(betaBinomial(n, a, 4 ** code), exactBetaBinomial(n, a, 4 ** code), `${n} ${a} ${code}`);
      }
    }
  }
});

test("the examples of the format's document", () => {
  const beta = betaBinomial(3, 6, 4);
  assert.deepEqual([...beta], [0, 5505023, 11010047, 14942207, 2 ** 24]);
  assert.equal(quantizerOf(0, 12, 0, { blending: "normalized" }).sums[27], 148362860);
  const header = { width: 768, height: 512, columns: 174, rows: 116, subdivision: 235 };
  const { densityX, densityY, shear } = latticeShape([2.5, 1, -0.5], header);
  assert.deepEqual([densityX, densityY, shear], [220792, 643529, -54]);
  const factor = latticeFactor(0.25, "normalized");
  assert.deepEqual([factor, latticePoints(densityX, factor), latticePoints(densityY, factor)], [84149, 4, 13]);
});

test("a region is that part of the whole, at every size", () => {
  for (const name of ["alpha_plane", "flags_b", "subdivided"]) {
    const picture = decode(bytesOf(`valid/${name}.tgs`));
    for (const scale of [0.3, 1, 2.5]) {
      const [width, height] = [picture.width, picture.height].map((side) =>
        Math.max(1, Math.floor(scale * side + 0.5)),
      );
      const whole = render(picture, { scale, grain: true });
      const [x, y] = [Math.floor(width / 4), Math.floor(height / 3)];
      const part = render(picture, { scale, grain: true, region: [x, y, width - x, height - y] });
      for (let row = y; row < height; row++) {
        const start = 4 * (width - x) * (row - y);
        const expected = whole.subarray(4 * (row * width + x), 4 * (row + 1) * width);
        part
          .subarray(start, start + expected.length)
          .forEach((value, i) => assert.ok(Math.abs(value - expected[i]) <= 1));
      }
    }
  }
});

test("inflate returns what zlib has compressed", () => {
  const below = generator(3);
  const noise = Uint8Array.from({ length: 70000 }, () => below(256));
  const text = new TextEncoder().encode("one two three four five ".repeat(4000));
  for (const content of [new Uint8Array(0), noise, text, new Uint8Array(100000)]) {
    for (const level of [0, 1, 6, 9]) {
      const stream = new Uint8Array(deflateSync(content, { level }));
      assert.deepEqual(inflate(stream, content.length), content);
      if (content.length) {
        const sentence = `The file's name is larger than the ${content.length - 1} bytes left to it.`;
        assert.throws(() => inflate(stream, content.length - 1, "name"), new LimitError(sentence));
      }
      assert.equal(inflatedOrWhy(stream.subarray(0, stream.length - 1), content.length), NOT_ONE_STREAM);
      assert.equal(inflatedOrWhy(Uint8Array.from([...stream, 0]), content.length), NOT_ONE_STREAM);
    }
    assert.deepEqual(inflate(new Uint8Array(deflateSync(content, { strategy: 4 })), content.length), content);
  }
  assert.equal(inflatedOrWhy(new Uint8Array(deflateRawSync(text)), 1e6), DAMAGED);
});

test("inflate takes as many blocks as an encoder may make, and no more", () => {
  // Empty blocks with fixed codes take ten bits: 0, 1 0 and the seven zeros of the end.
  const streamOf = (numBlocks) => {
    const bits = new Uint8Array(10 * numBlocks);
    for (let i = 0; i < numBlocks; i++) bits[10 * i + 1] = 1;
    bits[10 * (numBlocks - 1)] = 1; // the last one
    const bytes = new Uint8Array(Math.ceil(bits.length / 8));
    bits.forEach((bit, i) => (bytes[i >> 3] |= bit << (i & 7)));
    return Uint8Array.from([0x78, 0x9c, ...bytes, 0, 0, 0, 1]);
  };
  const most = 2 ** 16;
  assert.equal(inflate(streamOf(most), 0, "name").length, 0);
  const sentence = "The file's name has too many blocks.";
  assert.throws(() => inflate(streamOf(most + 1), 0, "name"), new LimitError(sentence));
});

test("inflate says of any bytes what zlib says", () => {
  const below = generator(4);
  const text = new TextEncoder().encode("one two three four five ".repeat(40));
  const noise = Uint8Array.from({ length: 60 }, () => below(90));
  const streams = [text, noise, text.subarray(0, 1), new Uint8Array(0)].flatMap((content) =>
    [{}, { level: 0 }, { strategy: 2 }, { strategy: 4 }].map(
      (options) => new Uint8Array(deflateSync(content, options)),
    ),
  );
  const found = {};
  for (let round = 0; round < 20000; round++) {
    const stream = streams[below(streams.length)].slice();
    for (let i = below(3); i >= 0; i--) stream[below(stream.length)] ^= 1 << below(8);
    if (below(4) === 0) stream[1] += 31 - ((256 * stream[0] + stream[1]) % 31); // the head is right again
    const changed = stream.subarray(0, below(2) ? stream.length : below(stream.length + 1));
    const expected = zlibSays(changed);
    assert.deepEqual(inflatedOrWhy(changed, 1e5), expected, `${changed}`);
    found[typeof expected === "string" ? expected : "content"] = true;
  }
  assert.deepEqual(Object.keys(found).sort(), [DAMAGED, NOT_ONE_STREAM, "content"]);
});

/** Return what a stream holds, or the sentence that says why it is refused. */
function inflatedOrWhy(stream, maxBytes) {
  try {
    return inflate(stream, maxBytes, "name");
  } catch (error) {
    assert.ok(error instanceof TgsError, error.stack);
    return error.message;
  }
}

/** What `inflatedOrWhy` should return. */
function zlibSays(stream) {
  try {
    const { buffer, engine } = inflateSync(stream, { info: true });
    return engine.bytesWritten === stream.length ? new Uint8Array(buffer) : NOT_ONE_STREAM;
  } catch (error) {
    return error.code === "Z_BUF_ERROR" ? NOT_ONE_STREAM : DAMAGED;
  }
}

test("no module depends on anything", () => {
  const folder = new URL("../src/", import.meta.url);
  for (const name of readdirSync(folder)) {
    for (const [, source] of readFileSync(new URL(name, folder), "utf-8").matchAll(/from "(.*)"/g)) {
      assert.match(source, /^\.\/\w+\.js$/, name);
    }
  }
});
