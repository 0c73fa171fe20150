// Pages in Chromium, under one of its usual names, or what the environment variable CHROMIUM says.

import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { VALID, pathOf } from "./conformance.js";

const CANDIDATES = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"].filter(Boolean);
const CHROMIUM = CANDIDATES.find((name) => spawnSync(name, ["--version"]).status === 0);
const PACKAGE = new URL("../../", import.meta.url);
const TYPES = { html: "text/html", js: "text/javascript", png: "image/png", tgs: "application/octet-stream" };

/** Files of more pixels are left out, because software draws them. */
const MAX_PIXELS = 2 ** 18;

/** The option `skip` of a test that needs a browser. */
export const WITHOUT_CHROMIUM = CHROMIUM ? false : "there is no Chromium";

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
      const file = /^\/(valid|bad)\//.test(path) ? pathOf(path.slice(1)) : new URL(`.${path}`, PACKAGE);
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
      resolve({ server, reported, address: `http://127.0.0.1:${server.address().port}` });
    });
  });
}

/** Open a page of the package, and return what it reports. */
export async function reportOf(page, ...flags) {
  const { server, reported, address } = await serve();
  const profile = await mkdtemp(join(tmpdir(), "taichi-gs-"));
  const options = ["--headless", "--no-sandbox", "--enable-unsafe-swiftshader", `--user-data-dir=${profile}`, ...flags];
  const browser = spawn(CHROMIUM, [...options, `${address}${page}`], { stdio: "ignore" });
  const ended = new Promise((resolve) => browser.once("exit", resolve));
  try {
    return await reported;
  } finally {
    browser.kill();
    await ended;
    server.close();
    server.closeAllConnections();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
