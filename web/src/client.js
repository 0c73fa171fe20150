// Decoding and plain drawing off the main thread.

import { LimitError, TgsError } from "./errors.js";

const ERRORS = { limit: LimitError, file: TgsError, other: Error };

/** A worker that takes one file after another. */
export class TgsWorker {
  constructor() {
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.waiting = new Map();
    this.lastId = 0;
    this.failure = undefined; // why no file can be drawn any more
    this.worker.addEventListener("message", ({ data: { id, error, ...result } }) => {
      if (!this.waiting.has(id)) return;
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) reject(new ERRORS[error.kind](error.message));
      else resolve(result);
    });
    this.worker.addEventListener("error", () => this.fail("The worker cannot be started."));
  }

  /**
   * Decode a file and draw it.
   *
   * @param {Uint8Array | ArrayBuffer} bytes the whole file
   * @param options those of `decode` and of `render`
   * @returns {Promise<{width: number, height: number, pixels: Uint8ClampedArray}>}
   */
  render(bytes, options = {}) {
    return new Promise((resolve, reject) => {
      if (this.failure) throw new Error(this.failure);
      const id = ++this.lastId;
      this.worker.postMessage({ id, bytes, options });
      this.waiting.set(id, { resolve, reject });
    });
  }

  /** End the worker. What is still waiting fails, and so does what comes later. */
  close() {
    this.worker.terminate();
    this.fail("The worker has been closed.");
  }

  fail(message) {
    this.failure ??= message;
    for (const { reject } of this.waiting.values()) reject(new Error(message));
    this.waiting.clear();
  }
}
