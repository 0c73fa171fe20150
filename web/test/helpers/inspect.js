// For the tests in Python: reads a list of { path, options } from the standard input, and writes for each file what
// this decoder finds in it: { integers, pixels } with pixels in base64, or { error, isLimit }. No pixels are drawn
// without options.

import { readFileSync } from "node:fs";

import { LimitError, TgsError, decode, render } from "../../src/index.js";
import { integersOf } from "./conformance.js";

function inspect({ path, options }) {
  try {
    const picture = decode(readFileSync(path));
    const pixels = options ? Buffer.from(render(picture, options)).toString("base64") : undefined;
    return { integers: integersOf(picture), pixels };
  } catch (error) {
    if (!(error instanceof TgsError)) throw error;
    return { error: error.message, isLimit: error instanceof LimitError };
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf-8")).map(inspect)));
