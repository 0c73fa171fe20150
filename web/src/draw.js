// Drawing on a canvas, with WebGL where it can be done, and in plain JavaScript elsewhere.

import { render } from "./render.js";
import { chooseViewport } from "./viewport.js";
import { createPainter } from "./webgl.js";

/** One for all canvases, because pages may have few contexts of WebGL; null where there is none. */
let painter;

/**
 * Draw a picture on a canvas, which becomes as large as what is drawn.
 *
 * @param picture of `decode`
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas without a context other than "2d"
 * @param options see `DrawOptions` in index.d.ts
 */
export function draw(picture, canvas, options = {}) {
  const viewport = chooseViewport(picture, options);
  const [, , width, height] = viewport.region;
  const hasGrain = options.grain && picture.hasGrain; // which only plain JavaScript draws
  const usesWebGL = options.webgl !== false && !hasGrain && paint(picture, viewport);
  const pixels = usesWebGL ? undefined : render(picture, options);
  canvas.width = width;
  canvas.height = height;
  // Pixels that come from the memory stay there: what a graphics processor has is lost if it fails, or starts late.
  const context = canvas.getContext("2d", { willReadFrequently: !usesWebGL });
  if (usesWebGL) context.drawImage(painter.canvas, 0, 0);
  else context.putImageData(new ImageData(pixels, width, height), 0, 0);
}

function paint(picture, viewport) {
  if (painter?.gl.isContextLost()) painter = undefined;
  if (painter === undefined) painter = createPainter() ?? null;
  return painter !== null && painter.paint(picture, viewport);
}
