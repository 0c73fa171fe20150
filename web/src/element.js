// The custom element <tgs-image>: a .tgs picture at once, and the full picture in its place when that is needed.

import { TgsWorker } from "./client.js";
import { completeLimits, fileBytesAllowed } from "./limits.js";
import { announcedSize, loadBytes } from "./source.js";

/** A preview is smooth: more pixels than these would cost time, and show nothing more. */
const MAX_PIXEL_RATIO = 2;
const MAX_PIXELS = 2 ** 20;
const MAX_SIDE = 4096;

/** So much less than a whole number of pixels is one. */
const ROUNDING = 1e-6;

const FADE_MILLISECONDS = 300;

/** How near to what is seen of the page an element is drawn, and its full picture loaded. */
const NEAR = "50%";

/** How far away from it a drawing is dropped, in its sizes: a page may have hundreds, of some MB each. */
const FAR = 3;

// Painting is not contained: the size of the element would be rounded by itself, and where it stands between pixels,
// a line of what is below could be seen beside it.
const STYLE = `
  :host { display: inline-block; position: relative; max-width: 100%; contain: layout }
  :host([hidden]) { display: none }
  canvas, img { position: absolute; inset: 0; width: 100%; height: 100% }
  canvas, img { object-fit: inherit; object-position: inherit }
`;

/** What all elements of a page share, made with the first of them. */
let shared;

function makeShared() {
  const style = new CSSStyleSheet();
  style.replaceSync(STYLE);
  return {
    style,
    resizes: new ResizeObserver((entries) => entries.forEach(({ target, contentRect }) => target.resized(contentRect))),
    nearness: new IntersectionObserver(
      (entries) => entries.forEach(({ target, isIntersecting }) => target.moved(isIntersecting)),
      { rootMargin: NEAR },
    ),
    farness: new IntersectionObserver((entries) => entries.forEach((entry) => entry.target.left(isFar(entry))), {
      rootMargin: `${100 * FAR}%`,
    }),
    worker: undefined,
    lastTurn: Promise.resolve(),
  };
}

function setOrRemove(element, name, value) {
  if (value === undefined || value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** Tell whether an element is far away. One in a box that scrolls leaves its box before, and keeps its drawing. */
function isFar({ isIntersecting, boundingClientRect: { left, right, top, bottom } }) {
  const [across, down] = [innerWidth, innerHeight];
  const isBeside = right < -FAR * across || left > (1 + FAR) * across;
  return !isIntersecting && (isBeside || bottom < -FAR * down || top > (1 + FAR) * down);
}

/**
 * Do something when all that came before is done. The worker takes one file after another anyway, and who waits here
 * can look again at what is to be done.
 */
function inTurn(task) {
  return (shared.lastTurn = shared.lastTurn.then(task));
}

/** Draw in the worker of the page. One that has failed is replaced, and the file goes to the next one once. */
async function render(bytes, options, mayFail = true) {
  const worker = (shared.worker ??= new TgsWorker());
  try {
    return await worker.render(bytes, options);
  } catch (error) {
    if (!worker.failure) throw error; // the file's own
    if (shared.worker === worker) shared.worker = undefined;
    if (!mayFail) throw error;
    return render(bytes, options, false);
  }
}

// Where there are no elements, as on a server, importing this module does nothing.
export class TgsImage extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ["src", "full", "alt", "width", "height"];

  /** Of what the files of all elements may ask for; see `Limits` in index.d.ts. */
  static limits = {};

  #root;
  #canvas;
  #place;
  #isNear = false;
  #isFar = false;
  #boxSize = [0, 0]; // of the element as it is on the page, which is told, because to ask for it takes a layout
  #isStale = true; // src or full have changed
  #loading; // an AbortController of what is being loaded, both src and full
  #src; // what has been loaded, or is being
  #limits; // of that
  #bytes; // of the file, once they are there
  #isLoading = false;
  #isAnnounced = false; // the event load, for this file
  #ownSize; // [width, height] that the file announces, or else the full picture has
  #isDrawing = false;
  #drawnSize; // [width, height] of the canvas, once the file is drawn on it
  #full; // the full picture, an img, as soon as it is being loaded
  #isFullShown = false;
  #role; // what alt has made of role and aria-label, where the page has not set them
  #label;

  constructor() {
    super();
    shared ??= makeShared();
    this.#root = this.attachShadow({ mode: "open" });
    this.#place = new CSSStyleSheet();
    this.#root.adoptedStyleSheets = [shared.style, this.#place];
    this.#canvas = document.createElement("canvas");
  }

  connectedCallback() {
    for (const name of TgsImage.observedAttributes) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name]; // set before this class was there to take it
      delete this[name];
      this[name] = value;
    }
    this.#describe();
    this.#takePlace();
    this.#refresh();
    try {
      // Of device pixels, which also change when the page is zoomed.
      shared.resizes.observe(this, { box: "device-pixel-content-box" });
    } catch {
      shared.resizes.observe(this);
    }
    shared.nearness.observe(this);
    shared.farness.observe(this);
  }

  disconnectedCallback() {
    shared.resizes.unobserve(this);
    shared.nearness.unobserve(this);
    shared.farness.unobserve(this);
    this.#isNear = false;
    this.#isFar = false;
    this.#boxSize = [0, 0];
    // An element that is only moved is connected again at once.
    queueMicrotask(() => {
      if (this.isConnected || !this.#isLoading) return;
      this.#loading.abort();
      this.#isStale = true;
    });
  }

  attributeChangedCallback(name, before, now) {
    if (before === now) return;
    if (name === "alt") {
      this.#describe();
    } else if (name === "width" || name === "height") {
      this.#takePlace();
    } else if (!this.#isStale) {
      // src and full often change together.
      this.#isStale = true;
      queueMicrotask(() => this.isConnected && this.#refresh());
    }
  }

  /** Called when the size of the element, or of a pixel, has changed. */
  resized({ width, height }) {
    this.#boxSize = [width, height];
    this.#draw();
  }

  /** Called when the element has come near to what is seen of the page, or has left. */
  moved(isNear) {
    this.#isNear = isNear;
    this.#draw();
    this.#loadFull();
  }

  /** Called when the element has gone far away from what is seen of the page, or has come back. */
  left(isFar) {
    this.#isFar = isFar;
    if (!isFar || !this.#canvas.isConnected) return;
    this.#drawnSize = undefined;
    this.#canvas.remove();
    this.#canvas.width = 0;
  }

  /** Tell assistive technology what is to be seen. */
  #describe() {
    const alt = this.getAttribute("alt");
    this.#role = this.#setOwn("role", this.#role, alt === "" ? "presentation" : "img");
    this.#label = this.#setOwn("aria-label", this.#label, alt || null);
  }

  /** Set an attribute unless the page has set it; return the value, as what is its own from now on. */
  #setOwn(name, own, value) {
    if (this.getAttribute(name) === (own ?? null)) setOrRemove(this, name, value);
    return value;
  }

  /** Take as much place as the attributes say, or else the file. Styles of the page come before these. */
  #takePlace() {
    const [width, height] = ["width", "height"].map((name) => {
      const value = parseInt(this.getAttribute(name), 10);
      return value > 0 ? value : undefined;
    });
    const ratio = width && height ? [width, height] : this.#ownSize;
    const rules = [];
    if (ratio) rules.push(`aspect-ratio: ${ratio.join(" / ")}`);
    if (width || !height) rules.push(`width: ${width ?? ratio?.[0] ?? 0}px`);
    else rules.push(`height: ${height}px`);
    this.#place.replaceSync(`:host { ${rules.join("; ")} }`);
  }

  /** Begin again, because src or full are others now. What is shown stays until there is something else to show. */
  #refresh() {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#loading?.abort();
    this.#loading = new AbortController();
    this.#full = undefined;
    this.#isFullShown = false;
    const src = this.getAttribute("src");
    if (src && src === this.#src && this.#bytes) {
      // A full picture that was about to take the place of the drawing goes, unless another one comes.
      if (this.#drawnSize && !this.#fullSource()) this.#removeAllBut(this.#canvas);
      this.#draw();
    } else {
      this.#src = src;
      this.#bytes = undefined;
      this.#isAnnounced = false;
      if (!src && !this.#fullSource()) this.#removeAllBut();
      this.#load(src, this.#loading.signal);
    }
    this.#loadFull();
  }

  /** Load the file. One within its URI is there when this returns. */
  async #load(src, signal) {
    this.#drawnSize = undefined;
    this.#isLoading = Boolean(src);
    if (!src) return;
    try {
      this.#limits = completeLimits(TgsImage.limits);
      const loaded = loadBytes(src, fileBytesAllowed(this.#limits), signal);
      const bytes = loaded instanceof Uint8Array ? loaded : await loaded;
      if (signal.aborted) return;
      this.#isLoading = false;
      this.#bytes = bytes;
      this.#ownSize = announcedSize(bytes) ?? this.#ownSize;
      this.#takePlace();
      this.#draw();
    } catch (error) {
      if (!signal.aborted) this.#failToDraw(error);
    }
  }

  /** Draw the file as large as the element is now, unless that has been done. */
  async #draw() {
    if (this.#isDrawing) return; // and looks at the size again afterwards
    this.#isDrawing = true;
    while (this.#sizeToDraw()) await inTurn(() => this.#drawNow());
    this.#isDrawing = false;
  }

  async #drawNow() {
    const [bytes, size] = [this.#bytes, this.#sizeToDraw()];
    if (!size) return; // the element has left while it waited
    try {
      const [width, height] = size;
      const { pixels } = await render(bytes, { width, height, limits: this.#limits });
      if (this.#isFar) return;
      if (bytes === this.#bytes && !this.#isFullShown) this.#show(new ImageData(pixels, width, height), size);
    } catch (error) {
      if (bytes === this.#bytes) this.#failToDraw(error);
    }
  }

  /** Return [width, height] if there is something to draw. */
  #sizeToDraw() {
    const isSeen = this.#isNear && Math.min(...this.#boxSize) > 0;
    if (!this.#bytes || !isSeen || this.#isFullShown) return undefined;
    const own = announcedSize(this.#bytes) ?? [1, 1]; // the worker says what is wrong
    const ratio = Math.min(globalThis.devicePixelRatio, MAX_PIXEL_RATIO);
    const scale = Math.min(
      ratio * Math.max(...own.map((side, i) => this.#boxSize[i] / side)),
      Math.sqrt(Math.min(MAX_PIXELS, this.#limits.maxPixels) / (own[0] * own[1])),
      Math.min(MAX_SIDE, this.#limits.maxSide) / Math.max(...own),
    );
    const size = own.map((side) => Math.max(1, Math.floor(side * scale + ROUNDING)));
    return size.join() === this.#drawnSize?.join() ? undefined : size;
  }

  #show(image, size) {
    this.#canvas.width = image.width;
    this.#canvas.height = image.height;
    // Pixels that come from the memory stay there: a page may have hundreds of such canvases.
    this.#canvas.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
    this.#drawnSize = size;
    this.#removeAllBut(this.#canvas, this.#full);
    if (!this.#canvas.isConnected) this.#root.prepend(this.#canvas);
    this.#announce();
  }

  #announce() {
    if (this.#isAnnounced) return;
    this.#isAnnounced = true;
    this.dispatchEvent(new Event("load"));
  }

  /** Load the full picture, if there is one and it is time, and fade to it. */
  async #loadFull() {
    if (!this.#isNear || this.#full || this.#isStale) return;
    const source = this.#fullSource();
    if (!source) return;
    const { signal } = this.#loading;
    const full = (this.#full = new Image());
    Object.assign(full, { alt: "", decoding: "async", ...source });
    try {
      await full.decode();
    } catch {
      if (signal.aborted) return;
      this.#removeAllBut(this.#drawnSize && this.#canvas); // not the picture before
      this.#fail(new Error(`The full picture ${full.currentSrc || full.src} cannot be loaded.`));
      return;
    }
    if (signal.aborted) return;
    if (!this.#bytes) this.#ownSize = [full.naturalWidth, full.naturalHeight];
    this.#takePlace();
    this.#root.append(full);
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!isCalm) await full.animate({ opacity: [0, 1] }, FADE_MILLISECONDS).finished.catch(() => undefined);
    if (!signal.aborted) this.#dropCanvas();
  }

  /** Return what the full picture is, as properties of an img: the attribute full, or else the img inside. */
  #fullSource() {
    const src = this.getAttribute("full");
    if (src) return { src };
    const inner = this.querySelector("img");
    if (inner) return { sizes: inner.sizes, srcset: inner.srcset, src: inner.src };
    // Where the page is still arriving, that may follow.
    if (document.readyState === "loading") {
      document.addEventListener("DOMContentLoaded", () => this.#loadFull(), { once: true });
    }
    return undefined;
  }

  /** From now on the full picture is all there is to see. It may be transparent, so nothing is left behind it. */
  #dropCanvas() {
    this.#isFullShown = true;
    this.#drawnSize = undefined;
    this.#removeAllBut(this.#full);
    this.#canvas.width = 0;
    this.#announce();
  }

  #failToDraw(error) {
    this.#isLoading = false;
    this.#bytes = undefined;
    this.#drawnSize = undefined;
    this.#removeAllBut(this.#full);
    this.#fail(error);
  }

  #removeAllBut(...kept) {
    for (const child of [...this.#root.children]) if (!kept.includes(child)) child.remove();
  }

  #fail(error) {
    // A data URI fails at once, before a page that imports this module can listen.
    queueMicrotask(() => this.dispatchEvent(new ErrorEvent("error", { message: error.message, error })));
  }
}

for (const name of TgsImage.observedAttributes) {
  const isNumber = name === "width" || name === "height";
  Object.defineProperty(TgsImage.prototype, name, {
    configurable: true,
    enumerable: true,
    get() {
      const value = this.getAttribute(name) ?? "";
      return isNumber ? parseInt(value, 10) || 0 : value;
    },
    set(value) {
      setOrRemove(this, name, value); // frameworks take a property away by setting it to undefined
    },
  });
}

if (globalThis.customElements && !customElements.get("tgs-image")) customElements.define("tgs-image", TgsImage);
