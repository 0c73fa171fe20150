// The page of `tgs view`: Gaussians drawn anew at every zoom. `taichiGs` is the decoder.

(() => {
  "use strict";

  const { decode, draw } = taichiGs;
  const content = JSON.parse(document.getElementById("content").textContent);
  const $ = (id) => document.getElementById(id);
  const stage = $("stage");
  const canvases = { own: $("picture"), other: $("other"), outlines: $("outlines") };

  /** A frame should take no longer while something moves; else it has fewer pixels until all is still. */
  const FRAME_MS = 30;
  const STILL_MS = 140;
  const MIN_QUALITY = 0.35;
  /** Below this one a picture that takes too much to draw is given up. */
  const LAST_QUALITY = 0.05;
  const STEP = Math.SQRT2;
  const ANIMATION_MS = 180;
  const MAX_ZOOM = 100;
  const MAX_WHOLE_SIDE = 2 ** 24;
  const THUMBNAIL_HEIGHT = 60;
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

  // ---------------------------------------------------------------------------------------------- files

  /** Return the decoded picture of a file, or what is wrong with it. Files are decoded when they are first needed. */
  function pictureOf(file) {
    if (!file.picture && !file.error) {
      try {
        const bytes = Uint8Array.from(atob(file.data), (character) => character.charCodeAt(0));
        file.numBytes = bytes.length;
        file.picture = decode(bytes, { limits: content.limits });
      } catch (error) {
        file.error = error.message;
      }
    }
    return file.picture;
  }

  /** Return a canvas with the picture's own pixels, to be enlarged the usual way; null if they are too many. */
  function pixelsOf(file) {
    if (file.pixels === undefined) {
      file.pixels = document.createElement("canvas");
      try {
        draw(file.picture, file.pixels, { webgl: hasFastWebGL });
      } catch {
        file.pixels = null;
      }
    }
    return file.pixels;
  }

  /** Give back the canvas of `pixelsOf`, which takes four bytes a pixel. */
  function releasePixels(file) {
    if (!file.pixels) return;
    file.pixels.width = 0;
    file.pixels = undefined;
  }

  const original = content.original && new Image();
  if (original) {
    original.onload = () => refresh();
    original.onerror = () => {
      $("show-original").disabled = true;
      if (shown.other === "original") compareWith(null);
    };
    original.src = content.original;
  }

  // ---------------------------------------------------------------------------------------------- what is shown

  let index = 0;
  const shown = { other: null, outlines: false, grain: false, split: 0.5 };
  /** Zoom is in pixels of the screen for a pixel of the picture; x and y are what is in the middle, from 0 to 1. */
  let view = { zoom: 1, x: 0.5, y: 0.5 };
  let isFitted = true;
  let animation = null;

  const file = () => content.files[index];
  const picture = () => pictureOf(file());
  const density = () => window.devicePixelRatio || 1;
  /** The stage, in pixels of the screen. */
  const stageSize = () => [
    Math.max(1, Math.round(stage.clientWidth * density())),
    Math.max(1, Math.round(stage.clientHeight * density())),
  ];

  function fittingZoom() {
    const [width, height] = stageSize();
    const margin = Math.min(24 * density(), width / 40, height / 24);
    return Math.min((width - 2 * margin) / picture().width, (height - 2 * margin) / picture().height);
  }

  function bounded({ zoom, x, y }) {
    const { width, height } = picture();
    const fit = fittingZoom();
    const most = Math.min(Math.max(MAX_ZOOM, 4 * fit), MAX_WHOLE_SIDE / Math.max(width, height));
    zoom = clamp(zoom, Math.min(fit, 1), most);
    const [across, down] = stageSize();
    const inside = (middle, whole, room) => {
      const half = room / 2 / (zoom * whole);
      return half >= 0.5 ? 0.5 : clamp(middle, half, 1 - half);
    };
    return { zoom, x: inside(x, width, across), y: inside(y, height, down) };
  }

  /** Return the view at another zoom in which a point of the stage, in pixels of the screen, stays where it is. */
  function zoomedAbout({ zoom, x, y }, newZoom, point) {
    const { width, height } = picture();
    const [across, down] = stageSize();
    newZoom = bounded({ zoom: newZoom, x, y }).zoom;
    const [dx, dy] = point ? [point[0] - across / 2, point[1] - down / 2] : [0, 0];
    const moved = 1 / zoom - 1 / newZoom;
    return { zoom: newZoom, x: x + (dx * moved) / width, y: y + (dy * moved) / height };
  }

  function movedBy({ zoom, x, y }, dx, dy) {
    return { zoom, x: x - dx / (zoom * picture().width), y: y - dy / (zoom * picture().height) };
  }

  /** Go to a view, by way of those between, unless it follows a hand. */
  function goTo(target, { isSmooth = false, fits = false } = {}) {
    if (!picture()) return;
    isFitted = fits;
    target = bounded(target);
    if (isSmooth && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      animation = { from: view, target, start: performance.now() };
    } else {
      animation = null;
      view = target;
    }
    refresh();
  }

  /** Where an animation leads, or what is seen now: steps add up. */
  const destination = () => animation?.target ?? view;
  const fit = (isSmooth = true) => goTo({ zoom: fittingZoom(), x: 0.5, y: 0.5 }, { isSmooth, fits: true });
  const zoomTo = (zoom, point) => goTo(zoomedAbout(destination(), zoom, point), { isSmooth: true });

  function animate(now) {
    if (!animation) return;
    const { from, target, start } = animation;
    const part = clamp((now - start) / ANIMATION_MS, 0, 1);
    const eased = 1 - (1 - part) ** 3;
    const zoom = from.zoom * (target.zoom / from.zoom) ** eased;
    // Along a line on which one point of the picture stays in its place.
    const way = target.zoom === from.zoom ? eased : (1 / from.zoom - 1 / zoom) / (1 / from.zoom - 1 / target.zoom);
    view = bounded({ zoom, x: from.x + (target.x - from.x) * way, y: from.y + (target.y - from.y) * way });
    if (part === 1) animation = null;
  }

  // ---------------------------------------------------------------------------------------------- drawing

  /** Whether a graphics processor draws: WebGL in software takes longer than plain JavaScript. */
  const hasFastWebGL = (() => {
    const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
    gl?.getExtension("WEBGL_lose_context")?.loseContext();
    return Boolean(gl);
  })();

  let isPending = false;
  let lastChange = -Infinity;
  let stillTimer;
  /** How many pixels a frame has along a side while something moves, of those of the screen; by what is drawn. */
  const qualities = new Map();

  /** Have everything drawn again. */
  function refresh() {
    lastChange = performance.now();
    stage.setAttribute("aria-busy", "true");
    schedule();
  }

  function schedule() {
    if (isPending) return;
    isPending = true;
    requestAnimationFrame((now) => {
      isPending = false;
      frame(now);
    });
  }

  function frame(now) {
    showError(picture() ? undefined : file().error);
    if (!picture()) return;
    animate(now);
    if (isFitted && !animation) view = bounded({ zoom: fittingZoom(), x: 0.5, y: 0.5 });
    view = bounded(view);
    const place = placeOf(view);
    const isStill = !animation && !gesture.size && performance.now() - lastChange > STILL_MS;
    const quality = isStill ? 1 : qualityWhileMoving();
    if (!drawWithinLimits(place, quality)) return;
    drawOther(place);
    drawOutlines(place);
    showZoom();
    clearTimeout(stillTimer);
    if (animation) schedule();
    else if (quality < 1) stillTimer = setTimeout(schedule, STILL_MS + 10);
    else if (!gesture.size) stage.setAttribute("aria-busy", "false");
  }

  /** Draw with fewer pixels where they take more than the limits allow; return whether that was possible. */
  function drawWithinLimits(place, quality) {
    for (; ; quality /= 2) {
      try {
        drawOwn(place, quality);
        return true;
      } catch (error) {
        if (quality > LAST_QUALITY) continue;
        showError(error.message);
        return false;
      }
    }
  }

  /** Learn how fine the next frames can be from how long one took: a step at a time, because times vary. */
  function learn(quality, elapsed) {
    qualities.set(kindOfDrawing(), clamp(quality * clamp(Math.sqrt(FRAME_MS / elapsed), 0.6, 1.25), MIN_QUALITY, 1));
  }

  const kindOfDrawing = () => `${index} ${shown.grain && picture().hasGrain}`;

  function qualityWhileMoving() {
    const quality = qualities.get(kindOfDrawing()) ?? 1;
    return quality > 0.85 ? 1 : quality;
  }

  /** Return the size of the whole picture on the screen, where it is, and the region of it that is on the stage. */
  function placeOf({ zoom, x, y }) {
    const [across, down] = stageSize();
    const width = Math.max(1, Math.round(zoom * picture().width));
    const height = Math.max(1, Math.round(zoom * picture().height));
    const left = Math.round(across / 2 - x * width);
    const top = Math.round(down / 2 - y * height);
    const region = [Math.max(0, -left), Math.max(0, -top)];
    region.push(Math.max(1, Math.min(width, across - left) - region[0]));
    region.push(Math.max(1, Math.min(height, down - top) - region[1]));
    return { width, height, left, top, region };
  }

  function drawOwn({ width, height, left, top, region }, quality) {
    const [x, y, columns, rows] = region;
    const size = [width, height].map((side) => Math.max(1, Math.round(side * quality)));
    const [factorX, factorY] = [size[0] / width, size[1] / height];
    const first = [Math.floor(x * factorX), Math.floor(y * factorY)];
    const end = [Math.ceil((x + columns) * factorX), Math.ceil((y + rows) * factorY)];
    const part = [...first, Math.min(end[0], size[0]) - first[0], Math.min(end[1], size[1]) - first[1]];
    const options = { width: size[0], height: size[1], region: part, grain: shown.grain, webgl: hasFastWebGL };
    const start = performance.now();
    draw(picture(), canvases.own, options);
    // A graphics processor does its part until the next frame, and then the screen waits half a frame on average.
    if (hasFastWebGL) requestAnimationFrame(() => learn(quality, Math.max(1, performance.now() - start - 8)));
    else learn(quality, Math.max(1, performance.now() - start));
    const box = [left + part[0] / factorX, top + part[1] / factorY, part[2] / factorX, part[3] / factorY];
    put(canvases.own, box);
    put($("paper"), box);
    $("paper").classList.toggle("transparent", Boolean(picture().alpha));
    canvases.own.dataset.drawn = [...size, ...part].join();
  }

  /** Draw the original, or the pixels, enlarged, on the right of the divider. */
  function drawOther({ width, height, left, top, region }) {
    const canvas = canvases.other;
    const source = shown.other === "original" ? original : shown.other && pixelsOf(file());
    canvas.hidden = $("divider").hidden = !source || (source === original && !original.naturalWidth);
    if (canvas.hidden) return;
    const [x, y, columns, rows] = region;
    const [sourceWidth, sourceHeight] = [source.naturalWidth || source.width, source.naturalHeight || source.height];
    canvas.width = columns;
    canvas.height = rows;
    const context = canvas.getContext("2d");
    // The usual way: bilinear where it is enlarged, and all pixels count where it is made smaller.
    context.imageSmoothingQuality = width < sourceWidth ? "high" : "low";
    // The whole picture is placed, so that its pixels are interpolated up to the edges of the region.
    context.setTransform(width / sourceWidth, 0, 0, height / sourceHeight, -x, -y);
    context.drawImage(source, 0, 0);
    put(canvas, [left + x, top + y, columns, rows]);
    const [across] = stageSize();
    const border = borderOf({ left, region });
    canvas.style.clipPath = `inset(0 0 0 ${(border - left - x) / density()}px)`;
    Object.assign($("divider").style, {
      left: `${border / density()}px`,
      top: `${(top + y) / density()}px`,
      height: `${rows / density()}px`,
    });
    const percent = Math.round((100 * (border - left - x)) / columns);
    $("divider").setAttribute("aria-valuenow", percent);
    $("divider").setAttribute("aria-valuetext", `${percent} % Gaussians`);
    $("tag-other").textContent = source === original ? "Original" : "Pixels, enlarged";
    $("tag-own").style.visibility = border / density() < 130 ? "hidden" : "";
    $("tag-other").style.visibility = (across - border) / density() < 170 ? "hidden" : "";
  }

  /** Return where the divider is on the stage: never outside the picture. */
  function borderOf({ left, region: [x, , columns] }) {
    return clamp(shown.split * stageSize()[0], left + x, left + x + columns);
  }

  /** Draw the ellipses in which Gaussians have most of their weight, one deviation wide. */
  function drawOutlines({ width, height, left, top, region }) {
    const canvas = canvases.outlines;
    canvas.hidden = !shown.outlines;
    if (canvas.hidden) return;
    const [x, y, columns, rows] = region;
    canvas.width = columns;
    canvas.height = rows;
    put(canvas, [left + x, top + y, columns, rows]);
    const isCompared = !canvases.other.hidden;
    const rest = (left + x + columns - borderOf({ left, region })) / density();
    canvas.style.clipPath = isCompared ? `inset(0 ${rest}px 0 0)` : "";
    const context = canvas.getContext("2d");
    context.fillStyle = "#0d0e10c0";
    context.fillRect(0, 0, columns, rows);
    context.lineWidth = 1.2 * Math.sqrt(density());
    const { means, logCovariances, colors } = picture().gaussians;
    const [factorX, factorY] = [width / picture().width, height / picture().height];
    for (let g = picture().numGaussians - 1; g >= 0; g--) {
      const [m, u, v] = logCovariances.subarray(3 * g, 3 * g + 3);
      const r = Math.hypot(u, v);
      const [long, short] = [Math.exp((m + r) / 2), Math.exp((m - r) / 2)];
      const [centerX, centerY] = [means[2 * g] * factorX - x, means[2 * g + 1] * factorY - y];
      const reach = long * Math.max(factorX, factorY) + 2;
      if (centerX < -reach || centerY < -reach || centerX > columns + reach || centerY > rows + reach) continue;
      context.setTransform(factorX, 0, 0, factorY, centerX, centerY);
      context.beginPath();
      context.ellipse(0, 0, long, short, Math.atan2(v, u) / 2, 0, 2 * Math.PI);
      context.resetTransform();
      context.strokeStyle = outlineColor(colors.subarray(3 * g, 3 * g + 3));
      context.stroke();
    }
  }

  /** Return the colour of a Gaussian, light enough to be seen on what is dark. */
  function outlineColor(color) {
    const levels = [...color].map((level) => 255 * clamp(level, 0, 1));
    const missing = Math.max(0, 150 - (0.3 * levels[0] + 0.6 * levels[1] + 0.1 * levels[2]));
    return `rgb(${levels.map((level) => Math.round(Math.min(255, level + missing))).join()})`;
  }

  function put(element, box) {
    const [left, top, width, height] = box.map((length) => `${length / density()}px`);
    Object.assign(element.style, { left, top, width, height });
  }

  // ---------------------------------------------------------------------------------------------- words and buttons

  /** Show what is wrong with the picture in its place; or the picture, if that is nothing. */
  function showError(sentence) {
    $("message").hidden = !sentence;
    $("message").textContent = sentence ?? "";
    for (const element of [...Object.values(canvases), $("paper")]) element.style.visibility = sentence ? "hidden" : "";
    if (!sentence) return;
    $("divider").hidden = true;
    stage.setAttribute("aria-busy", "false");
  }

  const number = (value) => value.toLocaleString("en-US");

  function showCaption() {
    const { name } = file();
    const place = content.files.length > 1 ? `${index + 1} of ${content.files.length}` : "";
    const facts = [place];
    if (picture()) {
      const { width, height, numGaussians } = picture();
      const numBytes = file().numBytes;
      facts.push(`${number(numBytes)} bytes`, `${width} × ${height}`, `${number(numGaussians)} Gaussians`);
      facts.push(`${((8 * numBytes) / (width * height)).toPrecision(3)} bits per pixel`);
    }
    document.title = name;
    $("name").textContent = name;
    $("name").title = name;
    const given = facts.filter(Boolean);
    const spans = given.map((fact, i) => make("span", { textContent: i < given.length - 1 ? `${fact} ·` : fact }));
    $("facts").replaceChildren(...spans.flatMap((span) => [span, " "]));
    $("show-grain").hidden = !picture()?.hasGrain;
    canvases.own.setAttribute("aria-label", name);
  }

  function showZoom() {
    const percent = 100 * view.zoom;
    const text = `${percent < 10 ? percent.toFixed(1) : number(Math.round(percent))} %`;
    $("percent").textContent = text;
    $("full").setAttribute("aria-label", `Zoom is ${text}; show at 100 %`);
  }

  function showToggles() {
    const states = { original: shown.other === "original", pixels: shown.other === "pixels", ...shown };
    for (const name of ["original", "pixels", "outlines", "grain"]) {
      $(`show-${name}`).setAttribute("aria-pressed", Boolean(states[name]));
    }
  }

  function compareWith(other) {
    shown.other = shown.other === other ? null : other;
    showToggles();
    refresh();
  }

  function toggle(name) {
    if (name === "grain" && !picture()?.hasGrain) return;
    shown[name] = !shown[name];
    showToggles();
    refresh();
  }

  function make(tag, properties) {
    return Object.assign(document.createElement(tag), properties);
  }

  // ---------------------------------------------------------------------------------------------- gallery

  function open(newIndex) {
    const before = pictureOf(file());
    releasePixels(file());
    index = (newIndex + content.files.length) % content.files.length;
    animation = null;
    // The same place in another file of the same picture, to compare them.
    const isAlike = before && picture() && before.width === picture().width && before.height === picture().height;
    if (!isAlike) isFitted = true;
    [...$("gallery").children].forEach((button, i) => {
      if (i === index) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    $("gallery").children[index]?.scrollIntoView({ block: "nearest", inline: "nearest" });
    showCaption();
    refresh();
  }

  function fillGallery() {
    $("gallery").hidden = false;
    $("gallery").replaceChildren(); // a saved page still contains the old buttons
    content.files.forEach(({ name }, i) => {
      const button = make("button", { title: name, onclick: () => open(i) });
      button.setAttribute("aria-label", name);
      $("gallery").append(button);
    });
    // One at a time, for the page to answer in between.
    const drawNext = (i) => {
      if (i === content.files.length) return;
      const own = pictureOf(content.files[i]);
      if (own) {
        const canvas = make("canvas", {});
        const height = Math.round(THUMBNAIL_HEIGHT * density());
        const width = Math.max(1, Math.round((height * own.width) / own.height));
        try {
          draw(own, canvas, { width, height, webgl: hasFastWebGL });
          $("gallery").children[i].append(canvas);
        } catch {
          // What is wrong is said when the picture is opened.
        }
      }
      setTimeout(drawNext, 0, i + 1);
    };
    setTimeout(drawNext, 50, 0);
  }

  // ---------------------------------------------------------------------------------------------- hands

  /** Pointers that are down on the stage, by number: where they were last. */
  const gesture = new Map();
  const pointOf = (event) => {
    const box = stage.getBoundingClientRect();
    return [(event.clientX - box.left) * density(), (event.clientY - box.top) * density()];
  };
  const middleOf = () => {
    const points = [...gesture.values()];
    const middle = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
    const spread = points.length > 1 ? Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]) : 0;
    return { middle, spread };
  };

  /** Where a finger came down that may swipe: alone, on a picture of which all is seen. */
  let swipe = null;
  const SWIPE_LENGTH = 60;

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("#divider")) return;
    swipe = !gesture.size && (isFitted || !picture()) ? pointOf(event) : null;
    if (!picture()) return;
    stage.setPointerCapture(event.pointerId);
    gesture.set(event.pointerId, pointOf(event));
    stage.classList.add("moving");
  });
  stage.addEventListener("pointermove", (event) => {
    if (!gesture.has(event.pointerId)) return;
    const before = middleOf();
    gesture.set(event.pointerId, pointOf(event));
    const { middle, spread } = middleOf();
    const moved = movedBy(view, middle[0] - before.middle[0], middle[1] - before.middle[1]);
    const factor = spread && before.spread ? spread / before.spread : 1;
    goTo(factor === 1 ? moved : zoomedAbout(moved, moved.zoom * factor, middle), { fits: isFitted && factor === 1 });
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, (event) => {
      if (name === "pointerup" && swipe && content.files.length > 1) {
        const [dx, dy] = pointOf(event).map((place, axis) => (place - swipe[axis]) / density());
        if (Math.abs(dx) > Math.max(SWIPE_LENGTH, 2 * Math.abs(dy))) open(index - Math.sign(dx));
      }
      swipe = null;
      if (!gesture.delete(event.pointerId)) return;
      if (!gesture.size) stage.classList.remove("moving");
      refresh();
    });
  }
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (!picture()) return;
      const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
      // Two fingers on a touchpad come as a wheel with Ctrl, in small steps.
      const factor = Math.exp(clamp(-pixels * (event.ctrlKey ? 0.01 : 0.0025), -0.5, 0.5));
      goTo(zoomedAbout(view, view.zoom * factor, pointOf(event)));
    },
    { passive: false },
  );
  stage.addEventListener("dblclick", (event) => {
    if (event.target.closest("#divider") || !picture()) return;
    if (isFitted) zoomTo(Math.max(1, 3 * fittingZoom()), pointOf(event));
    else fit();
  });

  const divider = $("divider");
  const splitAt = (split) => {
    shown.split = clamp(split, 0, 1);
    refresh();
  };
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.stopPropagation();
  });
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId)) splitAt(pointOf(event)[0] / stageSize()[0]);
  });
  divider.addEventListener("keydown", (event) => {
    const ends = { Home: 0, End: 1 };
    const steps = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02 };
    // Of what is seen of the picture, as its value is told.
    const { left, region } = placeOf(view);
    const [first, length] = [left + region[0], region[2]].map((pixels) => pixels / stageSize()[0]);
    if (event.key in ends) splitAt(first + ends[event.key] * length);
    else if (event.key in steps) splitAt(clamp(shown.split, first, first + length) + steps[event.key] * length);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  /** Move over the picture; where all of it is seen, arrows to the sides lead to other pictures. */
  function move(dx, dy) {
    const { width, height } = placeOf(destination());
    const [across, down] = stageSize();
    const hasRoom = dx ? width > across : height > down;
    if (hasRoom) goTo(movedBy(destination(), (-dx * across) / 8, (-dy * down) / 8), { isSmooth: true });
    else if (dx && content.files.length > 1) open(index + dx);
  }

  const KEYS = {
    "+": () => zoomTo(destination().zoom * STEP),
    "=": () => zoomTo(destination().zoom * STEP),
    "-": () => zoomTo(destination().zoom / STEP),
    0: () => fit(),
    f: () => fit(),
    1: () => zoomTo(1),
    ArrowLeft: () => move(-1, 0),
    ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, -1),
    ArrowDown: () => move(0, 1),
    PageUp: () => open(index - 1),
    PageDown: () => open(index + 1),
    c: () => compareWith(original && !$("show-original").disabled ? "original" : "pixels"),
    p: () => compareWith("pixels"),
    o: () => toggle("outlines"),
    g: () => toggle("grain"),
    "?": () => $("help").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    // People who dictate, or who strike keys by accident, can turn these off.
    if (event.key.length === 1 && !$("use-characters").checked) return;
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || (!picture() && !event.key.startsWith("Page"))) return;
    event.preventDefault();
    act();
  });

  $("in").onclick = KEYS["+"];
  $("out").onclick = KEYS["-"];
  $("full").onclick = KEYS[1];
  $("fit").onclick = KEYS.f;
  $("show-original").onclick = () => compareWith("original");
  $("show-pixels").onclick = KEYS.p;
  $("show-outlines").onclick = KEYS.o;
  $("show-grain").onclick = KEYS.g;
  $("show-help").onclick = KEYS["?"];

  // ---------------------------------------------------------------------------------------------- start

  $("show-original").hidden = !original;
  for (const line of document.querySelectorAll("#help .several")) line.hidden = content.files.length < 2;
  for (const line of document.querySelectorAll("#help .original")) line.hidden = !original;
  if (content.files.length > 1) fillGallery();
  for (const line of document.querySelectorAll("#help .grain")) {
    line.hidden = !content.files.some((each) => each.hasGrain);
  }
  if (original) shown.other = "original";
  showToggles();
  open(0);
  for (const canvas of Object.values(canvases)) canvas.addEventListener("contextrestored", refresh);
  const resizes = new ResizeObserver(refresh);
  try {
    resizes.observe(stage, { box: "device-pixel-content-box" }); // which also changes with the screen
  } catch {
    resizes.observe(stage);
  }
})();
