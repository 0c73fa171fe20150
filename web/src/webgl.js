// Drawing with WebGL 2: weights and weighted colours are added up in textures of floats, and then divided.

import { NOISE_DEVIATION } from "./grain.js";
import { layersOf } from "./layers.js";
import { A, AMPLITUDE, C, CUTOFFS, EXTENT_X, EXTENT_Y, PROJECTED, SHEAR, X, Y } from "./projection.js";

/** So many samples a side are drawn at a time, for textures not to take much memory. */
const SAMPLES_A_SIDE = 1024;

/** The floats of an instance: mean, extents; a, shear, c, amplitude; colour. */
const INSTANCE = [4, 4, 3];
const INSTANCE_LENGTH = 11;

/** A Gaussian is a rectangle, in which each sample gets the weight and the colour times the weight. */
const GAUSSIAN_VERTICES = `#version 300 es
  uniform vec2 corner, size;
  layout(location = 0) in vec4 meanAndExtents;
  layout(location = 1) in vec4 shape;
  layout(location = 2) in vec3 color;
  flat out vec2 mean;
  flat out vec4 gaussian;
  flat out vec3 ownColor;
  void main() {
    mean = meanAndExtents.xy - corner;
    gaussian = shape;
    ownColor = color;
    vec2 side = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
    gl_Position = vec4((mean + side * meanAndExtents.zw) / size * 2.0 - 1.0, 0, 1);
  }`;

const GAUSSIAN_SAMPLES = `#version 300 es
  precision highp float;
  uniform bool isNormalized;
  flat in vec2 mean;
  flat in vec4 gaussian;
  flat in vec3 ownColor;
  out vec4 weighted;
  void main() {
    vec2 d = gl_FragCoord.xy - mean;
    d.x += gaussian.y * d.y;
    float value = gaussian.w * exp(-0.5 * (gaussian.x * d.x * d.x + gaussian.z * d.y * d.y));
    float cutoff = isNormalized ? ${CUTOFFS.normalized} : ${CUTOFFS.alpha};
    if (value < cutoff) discard;
    float weight = isNormalized ? value - cutoff : value;
    weighted = vec4(weight * ownColor, weight);
  }`;

/** A triangle that covers everything. */
const PIXEL_VERTICES = `#version 300 es
  void main() {
    gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0, 1);
  }`;

/** A pixel is the mean of its samples, each as a screen would show it. */
const PIXELS = `#version 300 es
  precision highp float;
  precision highp int;
  uniform sampler2D colors, strengths, plane;
  uniform bvec2 areNormalized; // of colours and of the alpha plane
  uniform vec3 background;
  uniform float planeBackground;
  uniform bool hasGrain, hasPlane;
  uniform ivec2 samples; // across and down
  uniform ivec2 first, firstSample; // the pixel of the canvas, from its lower left corner, and the sample of the region
  uniform int rows; // of pixels
  uniform vec2 pixelsPerSample; // of the picture at its own size
  out vec4 pixel;

  vec3 blended(vec4 sums, bool isNormalized, vec3 background) {
    return isNormalized
      ? (sums.rgb + background / 16.0) / (sums.a + 1.0 / 16.0)
      : sums.rgb + background * (1.0 - sums.a);
  }

  float white(ivec2 place) {
    uint h = uint(place.x) * 0x9E3779B1u + uint(place.y) * 0x85EBCA6Bu;
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    h = (h ^ (h >> 12)) * 0x297A2D39u;
    h ^= h >> 15;
    return float(h & 255u) + float(h >> 8 & 255u) + float(h >> 16 & 255u) + float(h >> 24) - 510.0;
  }

  float noiseOf(ivec2 place) {
    float sum = 0.0;
    for (int i = -1; i < 2; i++)
      for (int j = -1; j < 2; j++) sum += float((2 - abs(i)) * (2 - abs(j))) * white(place + ivec2(i, j));
    return sum;
  }

  float noiseAt(vec2 place) {
    ivec2 corner = ivec2(floor(place));
    vec2 part = fract(place);
    if (part == vec2(0)) return noiseOf(corner);
    return mix(
      mix(noiseOf(corner), noiseOf(corner + ivec2(1, 0)), part.x),
      mix(noiseOf(corner + ivec2(0, 1)), noiseOf(corner + ivec2(1, 1)), part.x),
      part.y
    );
  }

  void main() {
    ivec2 own = ivec2(gl_FragCoord.xy) - first;
    ivec2 corner = ivec2(own.x, rows - 1 - own.y) * samples; // rows of the canvas go upwards
    vec4 sum = vec4(0);
    for (int y = 0; y < samples.y; y++) {
      for (int x = 0; x < samples.x; x++) {
        ivec2 place = corner + ivec2(x, y);
        vec3 color = blended(texelFetch(colors, place, 0), areNormalized.x, background);
        if (hasGrain) {
          float strength = blended(texelFetch(strengths, place, 0), areNormalized.x, vec3(0)).r;
          color += strength * noiseAt((vec2(firstSample + place) + 0.5) * pixelsPerSample - 0.5) / ${NOISE_DEVIATION};
        }
        float alpha = hasPlane ? blended(texelFetch(plane, place, 0), areNormalized.y, vec3(planeBackground)).r : 1.0;
        sum += clamp(vec4(color, alpha), 0.0, 1.0);
      }
    }
    pixel = floor(255.0 * sum / float(samples.x * samples.y) + 0.5) / 255.0;
  }`;

/** Draws pictures on a canvas of its own. */
export class Painter {
  /** Return a painter, or undefined where there is no WebGL 2 that adds up floats. */
  static create() {
    const canvas = typeof OffscreenCanvas === "function" ? new OffscreenCanvas(1, 1) : document.createElement("canvas");
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, premultipliedAlpha: false });
    const canAddFloats = gl?.getExtension("EXT_color_buffer_float") && gl.getExtension("EXT_float_blend");
    return canAddFloats ? new Painter(canvas, gl) : undefined;
  }

  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    this.gaussians = new Program(gl, GAUSSIAN_VERTICES, GAUSSIAN_SAMPLES);
    this.pixels = new Program(gl, PIXEL_VERTICES, PIXELS);
    this.targets = [0, 1, 2].map(() => new Target(gl));
  }

  /**
   * Draw a picture, and return whether that was possible. The pixels stay on the canvas until the end of the task.
   *
   * @param picture of `decode`
   * @param viewport of `chooseViewport`
   * @param {boolean} [grain] whether to draw grain
   */
  paint(picture, viewport, grain) {
    const { gl, canvas } = this;
    const [, , width, height] = viewport.region;
    const layers = layersOf(picture, viewport, grain);
    canvas.width = width;
    canvas.height = height;
    if (gl.isContextLost() || gl.drawingBufferWidth !== width || gl.drawingBufferHeight !== height) return false;
    const buffers = [layers.colors, layers.strengths, layers.plane].map((layer) => layer && this.upload(layer));
    const across = Math.floor(SAMPLES_A_SIDE / viewport.across);
    const down = Math.floor(SAMPLES_A_SIDE / viewport.down);
    for (let top = 0; top < height; top += down) {
      for (let left = 0; left < width; left += across) {
        const part = [left, top, Math.min(across, width - left), Math.min(down, height - top)];
        this.paintPart(picture, viewport, layers, buffers, part);
      }
    }
    for (const buffer of buffers) gl.deleteBuffer(buffer ?? null);
    return !gl.isContextLost();
  }

  upload({ projected, colors }) {
    const { gl } = this;
    const instances = new Float32Array((INSTANCE_LENGTH * projected.length) / PROJECTED);
    for (let p = 0, i = 0, g = 0; p < projected.length; p += PROJECTED, g += 3) {
      for (const field of [X, Y, EXTENT_X, EXTENT_Y, A, SHEAR, C, AMPLITUDE]) instances[i++] = projected[p + field];
      for (let channel = 0; channel < 3; channel++) instances[i++] = colors[g + channel];
    }
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, instances, gl.STREAM_DRAW);
    return buffer;
  }

  /** Draw the pixels [left, top, width, height] of the region. */
  paintPart(picture, viewport, layers, buffers, [left, top, width, height]) {
    const { gl } = this;
    const { colors, strengths, plane } = layers;
    const { across, down, region } = viewport;
    const size = [width * across, height * down];
    [colors, strengths, plane].forEach((layer, i) => {
      if (layer) this.addGaussians(this.targets[i], layer, buffers[i], [left * across, top * down], size);
    });
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    const bottom = region[3] - top - height;
    gl.viewport(left, bottom, width, height);
    gl.disable(gl.BLEND);
    const uniform = this.pixels.use();
    ["colors", "strengths", "plane"].forEach((name, i) => {
      gl.activeTexture(gl.TEXTURE0 + i);
      gl.bindTexture(gl.TEXTURE_2D, this.targets[i].texture);
      gl.uniform1i(uniform(name), i);
    });
    gl.uniform2i(uniform("areNormalized"), colors.blending === "normalized", plane?.blending === "normalized");
    gl.uniform3fv(uniform("background"), colors.background);
    gl.uniform1f(uniform("planeBackground"), plane?.background[0] ?? 0);
    gl.uniform1i(uniform("hasGrain"), strengths !== undefined);
    gl.uniform1i(uniform("hasPlane"), plane !== undefined);
    gl.uniform2i(uniform("samples"), across, down);
    gl.uniform2i(uniform("first"), left, bottom);
    gl.uniform2i(uniform("firstSample"), (region[0] + left) * across, (region[1] + top) * down);
    gl.uniform1i(uniform("rows"), height);
    gl.uniform2f(
      uniform("pixelsPerSample"),
      picture.width / (viewport.width * across),
      picture.height / (viewport.height * down),
    );
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** Add up the weighted colours and the weights of a layer in a target of `size` samples. */
  addGaussians(target, { blending, projected }, buffer, corner, size) {
    const { gl } = this;
    const isNormalized = blending === "normalized";
    target.clear(...size);
    gl.enable(gl.BLEND);
    // Front to back, a Gaussian has what is left by the weights of those before it.
    gl.blendFunc(isNormalized ? gl.ONE : gl.ONE_MINUS_DST_ALPHA, gl.ONE);
    const uniform = this.gaussians.use();
    gl.uniform2f(uniform("corner"), ...corner);
    gl.uniform2f(uniform("size"), ...size);
    gl.uniform1i(uniform("isNormalized"), isNormalized);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    INSTANCE.reduce((offset, count, location) => {
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, count, gl.FLOAT, false, 4 * INSTANCE_LENGTH, 4 * offset);
      gl.vertexAttribDivisor(location, 1);
      return offset + count;
    }, 0);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, projected.length / PROJECTED);
    INSTANCE.forEach((_, location) => gl.disableVertexAttribArray(location));
  }
}

/** A texture of four floats a sample that can be drawn on. */
class Target {
  constructor(gl) {
    this.gl = gl;
    this.texture = gl.createTexture();
    this.framebuffer = gl.createFramebuffer();
    this.resize(1, 1);
  }

  resize(width, height) {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, width, height, 0, gl.RGBA, gl.FLOAT, null);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.texture, 0);
    this.size = [width, height];
  }

  /** Make this what is drawn on, with room for so many samples, and nothing on it. */
  clear(width, height) {
    const { gl } = this;
    if (width > this.size[0] || height > this.size[1]) {
      this.resize(Math.max(width, this.size[0]), Math.max(height, this.size[1]));
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }
}

class Program {
  constructor(gl, vertexSource, fragmentSource) {
    this.gl = gl;
    this.program = gl.createProgram();
    for (const [type, source] of [
      [gl.VERTEX_SHADER, vertexSource],
      [gl.FRAGMENT_SHADER, fragmentSource],
    ]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(this.program, shader);
    }
    gl.linkProgram(this.program);
    this.locations = {};
  }

  /** Make this the program that draws, and return what gives the locations of its uniforms. */
  use() {
    this.gl.useProgram(this.program);
    return (name) => (this.locations[name] ??= this.gl.getUniformLocation(this.program, name));
  }
}
