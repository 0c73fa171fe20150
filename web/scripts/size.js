// Print the size of the package, minified and compressed: `npm run size`.

import { brotliCompressSync, gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const USES = {
  "decode, render and draw": 'export * from "./index.js"',
  "decode and render": 'export { decode, render } from "./index.js"',
  "the worker": 'import "./worker.js"',
  TgsWorker: 'export * from "./client.js"',
  "the element, without the worker": 'import "./element.js"',
};

for (const [what, contents] of Object.entries(USES)) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL("../src/", import.meta.url)) },
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  const [{ contents: bundle }] = outputFiles;
  const [gzip, brotli] = [gzipSync(bundle, { level: 9 }), brotliCompressSync(bundle)].map(({ length }) => length);
  console.log(`${what}: ${bundle.length} bytes minified, ${gzip} with gzip, ${brotli} with brotli`);
}
