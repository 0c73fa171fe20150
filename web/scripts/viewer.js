// Write the decoder of the pages that `tgs view` makes, which is a file of the Python package: `npm run viewer`.
// With --print, write it to standard output.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const WEB = new URL("../", import.meta.url);
const TARGET = new URL("../taichi_gs/viewer/decoder.js", WEB);

const { outputFiles, metafile } = await build({
  stdin: { contents: 'export { decode, draw } from "./src/index.js"', resolveDir: fileURLToPath(WEB) },
  absWorkingDir: fileURLToPath(WEB),
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "iife",
  globalName: "taichiGs",
  target: "es2020",
  metafile: true,
  write: false,
});

// The digest tells, without esbuild, whether a source has changed since.
const sources = Object.keys(metafile.inputs).filter((path) => path !== "<stdin>");
const digest = createHash("sha256");
for (const path of sources.sort()) digest.update(readFileSync(new URL(path, WEB)));
const head = `// Made from web/src by \`npm run viewer\` in web/. SHA-256 of its sources: ${digest.digest("hex")}\n`;
const bundle = head + outputFiles[0].text;
if (/<\/script|<!--/i.test(bundle)) throw new Error("The bundle cannot stand in a page.");
if (process.argv.includes("--print")) process.stdout.write(bundle);
else writeFileSync(TARGET, bundle);
