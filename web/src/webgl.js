// Drawing with WebGL 2: weights and weighted colours are added up in textures of floats, and then divided.

import { layersOf } from "./layers.js";
import { CUTOFFS, PROJECTED } from "./projection.js";

/** So many samples a side are drawn at a time, for textures not to take much memory. */
const SAMPLES_A_SIDE = 1024;

// A Gaussian is a rectangle, with a margin because corners are rounded. `shape` has the numbers a, shear, c and
// amplitude of projection.js.
const GAUSSIAN_CORNERS = `#version 300 es
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

// Each of its samples gets the colour times the weight, and the weight.
const GAUSSIAN_SAMPLES = `#version 300 es
precision highp float;
uniform bool isNormalized;
flat in vec2 mean;
flat in vec4 ownShape;
flat in vec3 ownColor;
out vec4 weighted;
void main() {
  vec2 d = gl_FragCoord.xy - mean;
  d.x += ownShape.y * d.y;
  float value = ownShape.w * exp(-.5 * (ownShape.x * d.x * d.x + ownShape.z * d.y * d.y));
  if (value < (isNormalized ? ${CUTOFFS.normalized} : ${CUTOFFS.alpha})) discard;
  if (isNormalized) value -= ${CUTOFFS.normalized};
  weighted = value * vec4(ownColor, 1);
}`;

// One triangle covers all pixels.
const ALL_PIXELS = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4. - 1., 0, 1);
}`;

// A pixel is the mean of its samples, each as a screen would show it. `first` is the first pixel on the canvas, whose
// rows go upwards.
const PIXELS = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
uniform sampler2D colors, plane;
uniform bool hasPlane;
uniform bvec2 areNormalized;
uniform vec4 background;
uniform ivec2 samples, first;
uniform int numRows;
out vec4 pixel;
vec3 blended(vec4 sums, bool isNormalized, vec3 background) {
  return isNormalized ? (sums.rgb + background / 16.) / (sums.a + 1. / 16.) : sums.rgb + background * (1. - sums.a);
}
void main() {
  ivec2 own = ivec2(gl_FragCoord.xy) - first;
  own.y = numRows - 1 - own.y;
  vec4 sum = vec4(0);
  for (int y = 0; y < samples.y; y++)
    for (int x = 0; x < samples.x; x++) {
      ivec2 at = own * samples + ivec2(x, y);
      vec4 color = vec4(blended(texelFetch(colors, at, 0), areNormalized.x, background.rgb), 1);
      if (hasPlane) color.a = blended(texelFetch(plane, at, 0), areNormalized.y, background.aaa).r;
      sum += clamp(color, 0., 1.);
    }
  pixel = floor(255. * sum / float(samples.x * samples.y) + .5) / 255.;
}`;

/** Draws pictures on a canvas of its own. */
export class Painter {
  /** Return a painter, or undefined where there is no WebGL 2 that adds up floats. */
  static create() {
    const canvas = globalThis.OffscreenCanvas ? new OffscreenCanvas(1, 1) : document.createElement("canvas");
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, premultipliedAlpha: false });
    const canAddFloats = gl?.getExtension("EXT_color_buffer_float") && gl.getExtension("EXT_float_blend");
    return canAddFloats ? new Painter(canvas, gl) : undefined;
  }

  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    this.addGaussians = program(gl, GAUSSIAN_CORNERS, GAUSSIAN_SAMPLES);
    this.drawPixels = program(gl, ALL_PIXELS, PIXELS);
    this.framebuffer = gl.createFramebuffer();
  }

  /**
   * Draw a picture, and return whether that was possible. The pixels stay on the canvas until the end of the task.
   *
   * @param picture of `decode`
   * @param viewport of `chooseViewport`
   */
  paint(picture, viewport) {
    const { gl, canvas } = this;
    const { colors, plane } = layersOf(picture, viewport);
    const [, , width, height] = viewport.region;
    canvas.width = width;
    canvas.height = height;
    if (gl.drawingBufferWidth !== width || gl.drawingBufferHeight !== height) return false;
    const layers = (plane ? [colors, plane] : [colors]).map((layer) => ({ ...layer, buffers: this.buffersOf(layer) }));
    const across = Math.floor(SAMPLES_A_SIDE / viewport.across);
    const down = Math.floor(SAMPLES_A_SIDE / viewport.down);
    for (let top = 0; top < height; top += down) {
      for (let left = 0; left < width; left += across) {
        this.paintPart(viewport, layers, left, top, Math.min(across, width - left), Math.min(down, height - top));
      }
    }
    for (const buffer of layers.flatMap(({ buffers }) => buffers)) gl.deleteBuffer(buffer);
    return !gl.isContextLost();
  }

  buffersOf({ projected, colors }) {
    const { gl } = this;
    return [projected, colors].map((numbers) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, Float32Array.from(numbers), gl.STREAM_DRAW);
      return buffer;
    });
  }

  /** Draw some pixels of the region. */
  paintPart({ region, across, down }, layers, left, top, width, height) {
    const { gl } = this;
    const corner = [left * across, top * down];
    const textures = layers.map((layer) => this.sumsOf(layer, corner, [width * across, height * down]));
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.BLEND);
    const first = [left, region[3] - top - height];
    gl.viewport(...first, width, height);
    textures.forEach((texture, i) => {
      gl.activeTexture(gl.TEXTURE0 + i);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    });
    const [colors, plane = colors] = layers;
    this.drawPixels({
      colors: ["1iv", [0]],
      plane: ["1iv", [layers.length - 1]],
      hasPlane: ["1iv", [layers.length - 1]],
      areNormalized: ["2iv", [isNormalized(colors), isNormalized(plane)]],
      background: ["4fv", [...colors.background, plane.background[0]]],
      samples: ["2iv", [across, down]],
      first: ["2iv", first],
      numRows: ["1iv", [height]],
    });
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    for (const texture of textures) gl.deleteTexture(texture);
  }

  /** Return a texture with the sums of weighted colours and of weights of a layer, at some of its samples. */
  sumsOf(layer, corner, size) {
    const { gl } = this;
    const [shapes, colors] = layer.buffers;
    const texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, ...size);
    // Floats cannot be interpolated everywhere.
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    gl.viewport(0, 0, ...size);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    // Front to back, a Gaussian has what is left by the weights of those before it.
    gl.blendFunc(isNormalized(layer) ? gl.ONE : gl.ONE_MINUS_DST_ALPHA, gl.ONE);
    const attributes = [
      [shapes, 4, PROJECTED, 0],
      [shapes, 4, PROJECTED, 4],
      [colors, 3, 3, 0],
    ];
    attributes.forEach(([buffer, count, stride, offset], location) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, count, gl.FLOAT, false, 4 * stride, 4 * offset);
      gl.vertexAttribDivisor(location, 1);
    });
    this.addGaussians({ corner: ["2fv", corner], size: ["2fv", size], isNormalized: ["1iv", [isNormalized(layer)]] });
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, layer.projected.length / PROJECTED);
    attributes.forEach((_, location) => gl.disableVertexAttribArray(location));
    return texture;
  }
}

function isNormalized({ blending }) {
  return blending === "normalized" ? 1 : 0;
}

/** Return a function that makes a program the current one, with values of its uniforms: name to type and numbers. */
function program(gl, vertexSource, fragmentSource) {
  const made = gl.createProgram();
  [gl.VERTEX_SHADER, gl.FRAGMENT_SHADER].forEach((type, i) => {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, [vertexSource, fragmentSource][i]);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  });
  gl.linkProgram(made);
  return (uniforms) => {
    gl.useProgram(made);
    for (const [name, [type, numbers]] of Object.entries(uniforms)) {
      gl[`uniform${type}`](gl.getUniformLocation(made, name), numbers);
    }
  };
}
