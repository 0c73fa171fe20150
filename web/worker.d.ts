import type { DecodeOptions, RenderOptions } from "./index.js";

/** Decodes and draws off the main thread. */
export class TgsWorker {
  /** Decode a file and draw it, in plain JavaScript. It fails with the errors of `decode` and `render`. */
  render(
    bytes: Uint8Array | ArrayBuffer,
    options?: DecodeOptions & RenderOptions,
  ): Promise<{ width: number; height: number; pixels: Uint8ClampedArray }>;
  /** End the worker. What is still waiting fails. */
  close(): void;
}
