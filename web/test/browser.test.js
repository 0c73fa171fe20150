// The package in a browser: WebGL, canvases and the worker. The browser is Chromium, under one of its usual names, or
// what the environment variable CHROMIUM says. Without it there is nothing to test.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { VALID, pathOf } from "./helpers/conformance.js";

const CANDIDATES = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"].filter(Boolean);
const CHROMIUM = CANDIDATES.find((name) => spawnSync(name, ["--version"]).status === 0);
const PACKAGE = new URL("../", import.meta.url);
const TYPES = { html: "text/html", js: "text/javascript", tgs: "application/octet-stream" };

/** Files of more pixels are left out, because software draws them. */
const MAX_PIXELS = 2 ** 18;

/** Serve the package and the conformance set; return the address, and what the page reports. */
function serve() {
  let report;
  const reported = new Promise((resolve) => (report = resolve));
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    if (path === "/report") {
      let body = "";
      for await (const part of request) body += part;
      report(JSON.parse(body));
      response.end();
    } else if (path === "/names") {
      response.end(JSON.stringify({ names: VALID, maxPixels: MAX_PIXELS }));
    } else {
      const file = path.startsWith("/valid/") ? pathOf(path.slice(1)) : new URL(`.${path}`, PACKAGE);
      try {
        const content = readFileSync(file);
        response.setHeader("content-type", TYPES[path.split(".").pop()]);
        response.end(content);
      } catch {
        response.statusCode = 404;
        response.end();
      }
    }
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({ server, reported, address: `http://127.0.0.1:${server.address().port}/test/browser.html` });
    });
  });
}

test(
  "WebGL, canvases and the worker",
  { skip: CHROMIUM ? false : "there is no Chromium", timeout: 300000 },
  async () => {
    const { server, reported, address } = await serve();
    const profile = await mkdtemp(join(tmpdir(), "taichi-gs-"));
    const options = ["--headless", "--no-sandbox", "--enable-unsafe-swiftshader", `--user-data-dir=${profile}`];
    const browser = spawn(CHROMIUM, [...options, address], { stdio: "ignore" });
    const ended = new Promise((resolve) => browser.once("exit", resolve));
    try {
      const report = await reported;
      assert.equal(report.failure, undefined);
      assert.equal(report.error, "TgsError: This is not a .tgs file of Gaussians.");
      assert.ok(report.hasWebGL, "no WebGL 2 that adds up floats");
      // Plain drawing is within 1 of the Python decoder, see conformance.test.js.
      const most = { worker: 0, plainCanvas: 0, withoutWebGL: 0, canvas: 1, webgl: 1, smaller: 1, part: 1, large: 1 };
      const drawings = Object.entries(report.results).flatMap(([name, result]) =>
        Object.entries(result).map(([how, largest]) => ({ name, how, largest })),
      );
      assert.deepEqual(
        drawings.filter(({ how, largest }) => largest > most[how]),
        [],
      );
      assert.ok(drawings.length > 600);
    } finally {
      browser.kill();
      await ended;
      server.close();
      server.closeAllConnections();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);
