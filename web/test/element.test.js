// The element <tgs-image>, in Chromium, and what it needs that can be had without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { TgsError, decode } from "../src/index.js";
import { announcedSize, loadBytes } from "../src/source.js";
import { WITHOUT_CHROMIUM, reportOf } from "./helpers/chromium.js";
import { VALID, bytesOf } from "./helpers/conformance.js";

const ARIA = "--enable-blink-features=ComputedAccessibilityInfo";
const IN_BROWSER = { skip: WITHOUT_CHROMIUM, timeout: 200000 };

test("in a browser", IN_BROWSER, async (context) => {
  const report = await reportOf("/test/element.html", ARIA, "--force-device-scale-factor=1.5");
  const check = (what, judge) => context.test(what, judge);

  await check("it has its place before the script is there", () => {
    const { properties, ...place } = report.beforeDefinition;
    assert.deepEqual(place, { before: [100, 80], after: [100, 80], shift: 0 });
    assert.deepEqual(properties, ["Early", 60, 48]);
  });

  await check("it has its place before the file is there", () => {
    assert.deepEqual(report.placeOfAttributes, { before: [100, 80], after: [100, 80], narrow: [50, 40], shift: 0 });
  });

  await check("it takes what attributes and styles do not say from the file", () => {
    const { width, ...boxes } = report.placeOfFile;
    assert.deepEqual(boxes, {
      "": [50, 40],
      'width="100"': [100, 80],
      'height="100"': [125, 100],
      'style="width: 75px"': [75, 60],
      'style="display: block; width: auto"': [width, Math.round((width * 40) / 50)],
    });
  });

  await check("a data URI gives the place at once, and the pixels of the decoder", () => {
    assert.deepEqual(report.data, { atOnce: [50, 40], difference: 0 });
  });

  await check("it is drawn with the pixels of the screen, again at every size, and not with too many", () => {
    const { ratio, sizes } = report.resolution;
    assert.equal(ratio, 1.5);
    for (const width of [100, 200, 61]) {
      const expected = [width * ratio, width * ratio * 0.8];
      assert.ok(
        sizes[width].every((side, i) => Math.abs(side - expected[i]) <= 1),
        `${sizes[width]}, ${expected}`,
      );
    }
    const [width, height] = sizes[5000];
    assert.ok(width * height <= 2 ** 20 + 2000 && width * height > 2 ** 20 - 4000, `${width}x${height}`);
  });

  await check("the full picture is loaded when it is near, and faded to", () => {
    const during = { canvas: true, animations: 1 };
    assert.deepEqual(report.fullWhenNear, { before: 0, after: 1, during, box: [100, 80] });
  });

  await check("what is damaged or missing leaves the place, a sentence and the full picture", () => {
    const box = [100, 80];
    assert.deepEqual(report.damaged, {
      "/bad/flipped_bit.tgs": { message: "The file is damaged or truncated: its checksum does not match.", box },
      "/missing.tgs": { message: "The file /missing.tgs cannot be loaded: the server answers with status 404.", box },
      "data:;base64,????": { message: "The data URI of the picture is damaged.", box },
      [`data:,${"x".repeat(40)}`]: { message: "This is not a .tgs file of Gaussians.", box },
      full: { message: "The full picture /missing.png cannot be loaded.", box },
    });
  });

  await check("a worker that fails is replaced, and each file is tried once more", () => {
    const sentence = "The worker cannot be started.";
    assert.deepEqual(report.workerFails, { replaced: { messages: [], workers: 1 }, messages: [sentence, sentence] });
  });

  await check("an img inside stands for the attribute full, and is not seen itself", () => {
    assert.deepEqual(report.innerImage, { src: "/valid/turned.png?inner", inner: 0 });
  });

  await check("without scripts, what is in noscript has the same place", () => {
    assert.deepEqual(report.withoutScripts, { element: [100, 80], image: [100, 80], isLoaded: true });
  });

  await check("assistive technology is told of it", () => {
    assert.deepEqual(report.aria, {
      'alt="A dog"': ["img", "A dog", "image", "A dog"],
      'alt=""': ["presentation", null, "none", ""],
      "": ["img", null, "image", ""],
      'aria-label="A cat"': ["img", "A cat", "image", "A cat"],
      'aria-label="A cat" alt="A dog"': ["img", "A cat", "image", "A cat"],
      'role="button" alt="Open"': ["button", "Open", "button", "Open"],
      changed: "A cow",
    });
  });

  await check("a full picture that is taken away leaves the drawing, and one alone is announced", () => {
    assert.equal(report.fades, 1);
  });

  await check("a property that is undefined or null is none, and a file is announced once", () => {
    assert.deepEqual(report.properties, { attributes: [true, false], loads: 1 });
  });

  await check("an old picture does not stay in the place of one that is missing", () => {
    assert.deepEqual(report.reused, [0, 0]);
  });

  await check("a drawing far away is dropped, and made again", () => {
    assert.deepEqual(report.farAway, { loads: 1 });
  });

  await check("the worker gets no file of an element that has left before its turn", () => {
    assert.equal(report.passing, 1);
  });

  await check("what fails at once can be heard", () => {
    assert.equal(report.early, "The data URI of the picture is damaged.");
  });

  await check("limits hold for what is loaded and for what is decoded", () => {
    const { messages, size } = report.limits;
    assert.deepEqual(messages, [
      "The file has 2000 pixels, more than the 1999 allowed.",
      "The file /valid/turned.png has more than the 2048 bytes that all limits together allow.",
      "The limit maxPixels must be a number from 0, not NaN.",
    ]);
    assert.deepEqual(size, [55, 44]);
  });

  await check("attributes can be changed", () => {
    const square = { box: [24, 24], images: 0 };
    const fullAlone = [
      [50, 40],
      [24, 24],
    ];
    assert.deepEqual(report.changes, { keepsOld: true, square, wide: [48, 48], again: [48, 38], fullAlone });
  });

  await check("nothing is left behind a full picture that is transparent", () => {
    assert.deepEqual(report.transparent, { children: ["img"] });
  });

  // How long tasks took is told and not judged: a busy machine makes any task long.
  await check("a hundred elements are drawn", () => {
    for (const { longest, failure } of [report.hundredAtOnce, report.hundred]) {
      assert.equal(failure, undefined);
      context.diagnostic(`the longest task of more than 50 ms: ${longest} ms`);
    }
  });
});

test("where people want no motion, there is no fade", IN_BROWSER, async () => {
  const flags = ["--force-prefers-reduced-motion", "--force-device-scale-factor=3"];
  const report = await reportOf("/test/element.html?only=fullWhenNear,resolution", ...flags);
  assert.deepEqual(report.fullWhenNear, {
    before: 0,
    after: 1,
    during: { canvas: false, animations: 0 },
    box: [100, 80],
  });
  // More than two pixels of the screen for one of the page show nothing more.
  assert.deepEqual(report.resolution.sizes[100], [200, 160]);
});

test("without elements, importing it does nothing", async () => {
  const { TgsImage } = await import("../src/element.js");
  assert.equal(typeof TgsImage, "function");
});

test("data URIs are read without a request", () => {
  const bytes = Uint8Array.from([0, 1, 137, 255, 32, 44]);
  const base64 = Buffer.from(bytes).toString("base64");
  for (const uri of [
    `data:image/x-taichi-gs;base64,${base64}`,
    ` DATA:;Base64,${base64}`,
    `data:;base64,${base64.replaceAll("/", "%2F").replaceAll("+", "%2B")}`,
    `data:,${[...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")}`,
    `data:;base64,${base64}#fragment`,
  ]) {
    assert.deepEqual(loadBytes(uri, 0), bytes, uri);
  }
  for (const uri of ["data:;base64,?", "data:;base64,A"]) assert.throws(() => loadBytes(uri, 0), TgsError, uri);
});

test("the size of a file is known from its first bytes", () => {
  for (const name of VALID) {
    const bytes = bytesOf(`valid/${name}.tgs`);
    const { width, height } = decode(bytes);
    assert.deepEqual(announcedSize(bytes), [width, height]);
    assert.deepEqual(announcedSize(bytes.subarray(0, 10)), [width, height]);
  }
  for (const bytes of [
    [],
    [137],
    [137, 84, 71, 16],
    [137, 84, 71, 16, 0, 5],
    [137, 84, 71, 16, 255, 255, 255, 5, 1],
    [1, 2, 3, 4, 5, 6],
  ]) {
    assert.equal(announcedSize(Uint8Array.from(bytes)), undefined);
  }
});
