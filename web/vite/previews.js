// Previews of pictures, which the command `tgs` makes and a folder keeps.

import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { announcedSize } from "../src/source.js";

const run = promisify(execFile);

/** Each process takes some seconds and hundreds of MiB, and the machine has other work. */
const inTurn = limiter(Math.max(1, Math.floor(availableParallelism() / 2)));

export class Previews {
  #command;
  #folder;
  #root;
  #version; // a promise of what the command says of itself
  #making = new Map(); // name of a file to the promise of its bytes

  /**
   * @param {string[]} command `tgs`, and arguments before all others
   * @param {string} folder where files are kept, by what they are made from
   * @param {string} [root] where the command is started, and found if it is a relative path
   */
  constructor(command, folder, root) {
    this.#command = command;
    this.#folder = folder;
    this.#root = root;
  }

  /**
   * Return the .tgs file of a picture. An error has one sentence for people.
   *
   * @param {string} path of the picture
   * @param {number | string} [bytes] how large the file may be
   * @returns {Promise<Buffer>}
   */
  async of(path, bytes) {
    const options = ["--preview", ...(bytes === undefined ? [] : ["--bytes", String(bytes)])];
    const name = await this.#nameOf(path, options);
    const kept = await readFile(join(this.#folder, name)).catch(() => Buffer.alloc(0));
    // A machine that stops may leave an empty file.
    if (announcedSize(kept)) return kept;
    if (!this.#making.has(name)) {
      const making = inTurn(() => this.#make(path, options, name)).finally(() => this.#making.delete(name));
      this.#making.set(name, making);
    }
    return this.#making.get(name);
  }

  /** Return the name of the file that this version makes of this content. */
  async #nameOf(path, options) {
    this.#version ??= this.#output("--version").catch((error) => {
      this.#version = undefined; // the package may be installed while the server runs
      throw error;
    });
    const [version, content] = await Promise.all([this.#version, contentOf(path)]);
    const digest = createHash("sha256").update(JSON.stringify([version.toString(), options]));
    return `${digest.update(content).digest("hex")}.tgs`;
  }

  async #make(path, options, name) {
    const file = await this.#output("compress", path, "-o", "-", "--quiet", ...options);
    if (!announcedSize(file)) throw new Error(`The command ${this.#command[0]} has made no .tgs file.`);
    // If the picture has changed meanwhile, the file may be that of the new one.
    if ((await this.#nameOf(path, options)) === name) await this.#keep(name, file);
    return file;
  }

  /** Write a file whole or not at all. */
  async #keep(name, file) {
    await mkdir(this.#folder, { recursive: true });
    const unfinished = join(this.#folder, `${randomUUID()}.part`);
    await writeFile(unfinished, file);
    await rename(unfinished, join(this.#folder, name));
  }

  /** Return what the command prints. */
  async #output(...rest) {
    const [program, ...first] = this.#command;
    try {
      return (await run(program, [...first, ...rest], { encoding: "buffer", cwd: this.#root })).stdout;
    } catch (error) {
      throw new Error(complaintOf(error, program));
    }
  }
}

function contentOf(path) {
  return readFile(path).catch(() => {
    throw new Error(`The picture ${path} cannot be read.`);
  });
}

/** Return one sentence about a process that has failed: its own, if it printed one. */
function complaintOf({ code, signal, stderr }, program) {
  if (code === "ENOENT") {
    return `There is no command ${program}: install the Python package taichi_gs, or give the plugin its \`command\`.`;
  }
  const lastLine = stderr?.toString().trim().split("\n").at(-1);
  return lastLine?.replace(/^(tgs: error|Error): /, "") || `The command ${program} has failed: ${signal ?? code}.`;
}

/** Return a function that runs tasks, at most so many at a time. */
function limiter(most) {
  const waiting = [];
  let numRunning = 0;
  return async (task) => {
    if (numRunning < most) numRunning++;
    else await new Promise((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      // Who waits takes the place of who is done.
      if (waiting.length) waiting.shift()();
      else numRunning--;
    }
  };
}
