// Stands for the command `tgs` in tests of the plugin: node tgs.js LOG VERSION ARGUMENT... writes to LOG what it does.
// What comes of a picture depends on its name. The version "missing at first" is an error the first time.

import { appendFileSync, existsSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout } from "node:timers/promises";

import { bytesOf } from "./conformance.js";

const [log, version, command, path, ...options] = process.argv.slice(2);

if (command === "--version" && version === "missing at first" && !existsSync(log)) {
  appendFileSync(log, "");
  console.error("tgs: error: not installed yet");
  process.exitCode = 1;
} else if (command === "--version") {
  console.log(`tgs, version ${version}`);
} else {
  const name = basename(path);
  const note = (what) => appendFileSync(log, `${what} ${[name, ...options].join(" ")}\n`);
  note("begin");
  await setTimeout(50);
  if (name === "bad.jpg") {
    console.error("a warning\ntgs: error: 'bad.jpg' is not a picture that can be read");
    process.exitCode = 1;
  } else if (name === "killed.jpg") {
    process.kill(process.pid, "SIGKILL");
  } else if (name !== "nothing.jpg") {
    process.stdout.write(bytesOf("valid/wide.tgs"));
  }
  note("end");
}
