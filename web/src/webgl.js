// Drawing with WebGL 2: weights and weighted colours are added up in textures of floats, and then divided.

import { layersOf } from "./layers.js";
import { CUTOFFS } from "./projection.js";

/** So many samples a side are drawn at a time, for textures not to take much memory. */
const SAMPLES_A_SIDE = 1024;

// A Gaussian is a rectangle, with a margin because corners are rounded. `shape` has the numbers a, shear, c and
// amplitude of projection.js.
const GAUSSIAN_CORNERS = `
uniform vec2 corner, size;
layout(location = 0) in vec4 meanAndExtent;
layout(location = 1) in vec4 shape;
layout(location = 2) in vec3 color;
flat out vec2 mean;
flat out vec4 ownShape;
flat out vec3 ownColor;
void main() {
  mean = meanAndExtent.xy - corner;
  ownShape = shape;
  ownColor = color;
  vec2 side = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2. - 1.;
  gl_Position = vec4((mean + side * max(meanAndExtent.zw + .1, 0.)) / size * 2. - 1., 0, 1);
}`;

// Each of its samples gets the colour times the weight, and the weight. `cutoff` has the value where a Gaussian ends, and
// what is subtracted from it.
const GAUSSIAN_SAMPLES = `
uniform vec2 cutoff;
flat in vec2 mean;
flat in vec4 ownShape;
flat in vec3 ownColor;
out vec4 weighted;
void main() {
  vec2 d = gl_FragCoord.xy - mean;
  d.x += ownShape.y * d.y;
  float value = ownShape.w * exp(-.5 * (ownShape.x * d.x * d.x + ownShape.z * d.y * d.y));
  if (value < cutoff.x) discard;
  weighted = (value - cutoff.y) * vec4(ownColor, 1);
}`;

// One triangle covers all pixels.
const ALL_PIXELS = `
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4. - 1., 0, 1);
}`;

// A pixel is the mean of its samples, each as a screen would show it. The first pixel is at `corner` of the canvas,
// whose rows go upwards.
const PIXELS = `
uniform sampler2DArray sums;
uniform vec2 samples, corner;
out vec4 pixel;
void main() {
  vec2 first = abs(floor(gl_FragCoord.xy) - corner) * samples;
  pixel = vec4(0);
  for (float y = 0.; y < samples.y; y++)
    for (float x = 0.; x < samples.x; x++) {
      ivec3 at = ivec3(first + vec2(x, y), 0);
      vec4 color = texelFetch(sums, at, 0);
      color /= color.a;
      at.z++;
      if (at.z < textureSize(sums, 0).z) {
        vec4 plane = texelFetch(sums, at, 0);
        color.a = plane.r / plane.a;
      }
      pixel += clamp(color, 0., 1.);
    }
  pixel = floor(255. * pixel / (samples.x * samples.y) + .5) / 255.;
}`;

/** Return what draws pictures on a canvas of its own, or undefined where there is no WebGL 2 that adds up floats. */
export function createPainter() {
  const canvas = globalThis.OffscreenCanvas ? new OffscreenCanvas(1, 1) : document.createElement("canvas");
  const gl = canvas.getContext("webgl2", { antialias: false, depth: false, premultipliedAlpha: false });
  if (!gl?.getExtension("EXT_color_buffer_float") || !gl.getExtension("EXT_float_blend")) return undefined;
  const addGaussians = program(GAUSSIAN_CORNERS, GAUSSIAN_SAMPLES);
  const drawPixels = program(ALL_PIXELS, PIXELS);
  if (!addGaussians || !drawPixels) return undefined;
  const framebuffer = gl.createFramebuffer();

  /**
   * Return a function that makes a program the current one, with values of its uniforms: name to two numbers. Return
   * undefined if the driver does not take the program.
   */
  function program(...sources) {
    const made = gl.createProgram();
    [gl.VERTEX_SHADER, gl.FRAGMENT_SHADER].forEach((type, i) => {
      const shader = gl.createShader(type);
      const head = ["float", "int", "sampler2DArray"].map((name) => `precision highp ${name};`).join("");
      gl.shaderSource(shader, `#version 300 es\n${head}${sources[i]}`);
      gl.compileShader(shader);
      gl.attachShader(made, shader);
    });
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS)) return undefined;
    return (uniforms) => {
      gl.useProgram(made);
      for (const name in uniforms) gl.uniform2fv(gl.getUniformLocation(made, name), uniforms[name]);
    };
  }

  /**
   * Draw a picture, and return whether that was possible. The pixels stay on the canvas until the end of the task.
   *
   * @param picture of `decode`
   * @param viewport of `chooseViewport`
   */
  function paint(picture, viewport) {
    const { layers: projectedLayers } = layersOf(picture, viewport);
    const [, , width, height] = viewport.region;
    canvas.width = width;
    canvas.height = height;
    if (gl.drawingBufferWidth !== width || gl.drawingBufferHeight !== height) return false;
    const layers = projectedLayers.map((layer) => ({ ...layer, buffer: bufferOf(layer) }));
    const across = Math.floor(SAMPLES_A_SIDE / viewport.across);
    const down = Math.floor(SAMPLES_A_SIDE / viewport.down);
    for (let top = 0; top < height; top += down) {
      for (let left = 0; left < width; left += across) {
        paintPart(viewport, layers, left, top, Math.min(across, width - left), Math.min(down, height - top));
      }
    }
    for (const { buffer } of layers) gl.deleteBuffer(buffer);
    // Where the graphics processor has failed, the context says so by and by, but its objects are gone at once.
    return gl.getError() === gl.NO_ERROR && gl.isFramebuffer(framebuffer);
  }

  function bufferOf({ gaussians }) {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, Float32Array.from(gaussians.flat()), gl.STREAM_DRAW);
    return buffer;
  }

  /** Draw some pixels of the region. */
  function paintPart({ region, across, down }, layers, left, top, width, height) {
    const size = [width * across, height * down];
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA32F, ...size, layers.length);
    // Floats cannot be interpolated everywhere.
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.viewport(0, 0, ...size);
    gl.enable(gl.BLEND);
    layers.forEach((layer, i) => {
      gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, texture, 0, i);
      addUp(layer, [left * across, top * down], size);
    });
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(left, region[3] - top - height, width, height);
    gl.disable(gl.BLEND);
    drawPixels({ samples: [across, down], corner: [left, region[3] - top - 1] });
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.deleteTexture(texture);
  }

  /** Draw the sums of weighted colours and of weights of a layer, at some of its samples. */
  function addUp({ gaussians, blending, buffer }, corner, size) {
    const isNormalized = blending === "normalized";
    gl.clear(gl.COLOR_BUFFER_BIT);
    // Front to back, a Gaussian has what is left by the weights of those before it.
    gl.blendFunc(isNormalized ? gl.ONE : gl.ONE_MINUS_DST_ALPHA, gl.ONE);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    [4, 4, 3].forEach((count, location) => {
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, count, gl.FLOAT, false, 44, 16 * location);
      gl.vertexAttribDivisor(location, 1);
    });
    const cutoff = CUTOFFS[blending];
    addGaussians({ corner, size, cutoff: [cutoff, isNormalized ? cutoff : 0] });
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, gaussians.length);
  }

  return { canvas, gl, paint };
}
