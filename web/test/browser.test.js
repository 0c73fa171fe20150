// The package in a browser: WebGL, canvases and the worker.

import assert from "node:assert/strict";
import { test } from "node:test";

import { WITHOUT_CHROMIUM, reportOf } from "./helpers/chromium.js";

test("WebGL, canvases and the worker", { skip: WITHOUT_CHROMIUM, timeout: 300000 }, async () => {
  const report = await reportOf("/test/browser.html");
  assert.equal(report.failure, undefined);
  assert.equal(report.error, "TgsError: This is not a .tgs file of Gaussians.");
  assert.ok(report.hasWebGL, "no WebGL 2 that adds up floats");
  // Plain drawing is within 1 of the Python decoder, see conformance.test.js.
  const plain = { worker: 0, plainCanvas: 0, withoutWebGL: 0, withoutPrograms: 0 };
  const most = { ...plain, canvas: 1, webgl: 1, smaller: 1, part: 1, large: 1 };
  const drawings = Object.entries(report.results).flatMap(([name, result]) =>
    Object.entries(result).map(([how, largest]) => ({ name, how, largest })),
  );
  assert.deepEqual(
    drawings.filter(({ how, largest }) => largest > most[how]),
    [],
  );
  assert.ok(drawings.length > 600);
  assert.deepEqual(
    Object.keys(most).filter((how) => !drawings.some((drawing) => drawing.how === how)),
    [],
  );
});
