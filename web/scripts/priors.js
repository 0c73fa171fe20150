// Write src/priors_table.js from taichi_gs/format/prior_tables.py: `node scripts/priors.js`.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SOURCE = new URL("../../taichi_gs/format/prior_tables.py", import.meta.url);
const TARGET = new URL("../src/priors_table.js", import.meta.url);

/** Return the tables of the Python package: for each channel 64 integers. */
export function pythonTables() {
  const [, body] = readFileSync(SOURCE, "utf-8").match(/\nTABLES = \(\n(.*?)\n\)\n/s);
  const withoutComments = body.replaceAll(/#.*/g, "");
  return [...withoutComments.matchAll(/\(([^()]*)\)/g)].map(([, table]) => table.match(/\d+/g).map(Number));
}

/** Return the text of the module that has the tables. */
export function moduleOf(tables) {
  const lines = tables.map((table) => {
    const isMirrored = table.every((prior, i) => i === 31 || i === 32 || prior === table[63 - i]);
    const written = isMirrored ? table.slice(0, 33) : table;
    return written.map((prior) => (prior === 1 ? "" : prior.toString(36))).join();
  });
  return `// Made by scripts/priors.js from taichi_gs/format/prior_tables.py.

/**
 * A line for each of m, u, v, Y, Co, Cg and z: P_0 to P_63, in base 36. Nothing between commas stands for 1. A line
 * that ends with P_32 goes on with P_30, P_29, ... P_0.
 */
export const PRIORS_TABLE = \`\\
${lines.join("\n")}\`;
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TARGET, moduleOf(pythonTables()));
