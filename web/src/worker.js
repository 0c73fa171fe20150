// A module worker that decodes and draws. `TgsWorker` in client.js is the other end of it.

import { decode } from "./decode.js";
import { LimitError, TgsError } from "./errors.js";
import { render } from "./render.js";
import { chooseViewport } from "./viewport.js";

self.addEventListener("message", ({ data: { id, bytes, options } }) => {
  try {
    const picture = decode(bytes, options);
    const [, , width, height] = chooseViewport(picture, options).region;
    const pixels = render(picture, options);
    self.postMessage({ id, width, height, pixels }, [pixels.buffer]);
  } catch (error) {
    // Errors lose their class on the way.
    const kind = error instanceof LimitError ? "limit" : error instanceof TgsError ? "file" : "other";
    self.postMessage({ id, error: { kind, message: error.message } });
  }
});
