// Print the size of the package, minified and compressed: `npm run size`.

import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const ENTRIES = { "all of it": "src/index.js", "the worker": "src/worker.js" };

for (const [what, entry] of Object.entries(ENTRIES)) {
  const { outputFiles } = await build({
    entryPoints: [new URL(`../${entry}`, import.meta.url).pathname],
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  const [{ contents }] = outputFiles;
  const sizes = [contents, gzipSync(contents, { level: 9 }), brotliCompressSync(contents)].map(({ length }) => length);
  console.log(`${what}: ${sizes[0]} bytes minified, ${sizes[1]} with gzip, ${sizes[2]} with brotli`);
}
