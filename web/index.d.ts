/** Why a file is not decoded, or not drawn, in one sentence. */
export class TgsError extends Error {}

/** A file asks for more than the limits allow. */
export class LimitError extends TgsError {}

/** What a file may ask for before it is refused with a LimitError. */
export interface Limits {
  /** Width times height. */
  maxPixels: number;
  /** Width, height, and the rows and columns of the grid. */
  maxSide: number;
  /** Of the picture and its alpha plane together. */
  maxGaussians: number;
  /** Codewords of either codebook. */
  maxCodewords: number;
  /** Bytes of the chunks, as they are in the file and when decompressed. */
  maxChunkBytes: number;
  /** Pairs of a Gaussian and a tile of 16 x 16 samples that it reaches; by default what the size of a file allows. */
  maxPairs?: number;
}

export type Blending = "alpha" | "normalized";

/**
 * The integers of a picture of N Gaussians, in the order of the file. `docs/format.md` defines the terms. K is the
 * number of codewords of a codebook.
 */
export interface Integers {
  /** [3], the levels of red, green and blue. */
  background: Uint8Array;
  areaCode: number;
  /** [7], of m, u, v, Y, Co, Cg and z; those of Co and Cg are 0 in a gray picture. */
  stepCodes: Uint8Array;
  /** [K * 3], the symbols of m, u and v. */
  covarianceCodewords: Uint16Array;
  /** [K * 4], the symbols of Y, Co, Cg and z. */
  colorCodewords: Uint16Array;
  /** [N] */
  covarianceIndices: Uint32Array;
  /** [N] */
  colorIndices: Uint32Array;
  /** [N], the numbers of cells in raster order: row * columns + column. */
  cells: Uint32Array;
  /** [N], n_x and n_y, and the shear k, of the lattices. */
  pointsX: Uint16Array;
  pointsY: Uint16Array;
  shears: Int32Array;
  /** [N], i and j, the places on the lattices. */
  offsetsX: Uint16Array;
  offsetsY: Uint16Array;
  /** [K], the strength of grain of each colour codeword, if the file says it. */
  grain?: Uint8Array;
}

/** What the integers stand for: N Gaussians, front to back. Lengths are in pixels of the picture at its own size. */
export interface Gaussians {
  /** [N * 2], x to the right and y down; the top left corner of the picture is (0, 0). */
  means: Float64Array;
  /** [N * 3], (m, u, v): log covariance = [[m + u, v], [v, m - u]]. */
  logCovariances: Float64Array;
  /** [N * 3], red, green and blue; 0 is black and 1 is white. */
  colors: Float32Array;
  /** [N], weights at the means if the blending is normalised, else opacities. */
  amplitudes: Float64Array;
  /** [N], deviations of grain; 1 is white. */
  grain?: Float32Array;
  /** [3], red, green and blue. */
  background: Float32Array;
}

/** A picture, or an alpha plane. */
export interface Layer {
  version: number;
  width: number;
  height: number;
  blending: Blending;
  isGray: boolean;
  hasGrain: boolean;
  numGaussians: number;
  /** Of the grid. */
  columns: number;
  rows: number;
  /** D; 0 if cells are not subdivided. */
  subdivision: number;
  covarianceK: number;
  colorK: number;
  headerBytes: number;
  payloadBytes: number;
  integers: Integers;
  gaussians: Gaussians;
}

export interface Picture extends Layer {
  alpha?: Layer;
  /**
   * Tag to content. "ICCP" is a profile of the colours, "EXIF" and "XMP_" are metadata, all decompressed. The picture
   * is upright, whatever they say. `draw` does not look at them.
   */
  chunks: Map<string, Uint8Array>;
  limits: Limits;
}

export interface RenderOptions {
  /** A factor of both sides, which are rounded to whole pixels. */
  scale?: number;
  /** Of the whole picture as it is drawn, both of them, instead of `scale`. */
  width?: number;
  height?: number;
  /** [x, y, width, height] of the part to draw, in pixels of the scaled picture. */
  region?: readonly [number, number, number, number];
  /** Whether to draw grain, if the file says how strong it is. */
  grain?: boolean;
}

export interface DrawOptions extends RenderOptions {
  /** false: draw in plain JavaScript, even where there is WebGL 2. */
  webgl?: boolean;
}

export interface DecodeOptions {
  limits?: Partial<Limits>;
}

/**
 * Return the picture in a .tgs file.
 *
 * @throws TgsError if `bytes` are not a whole, undamaged .tgs file of a version that is understood.
 */
export function decode(bytes: Uint8Array | ArrayBuffer, options?: DecodeOptions): Picture;

/**
 * Return pixels, RGBA, row by row, of the whole picture or of a region, drawn in plain JavaScript. Colours are not
 * multiplied by alpha.
 *
 * @throws TgsError if options make no sense; LimitError if it would take too much time.
 */
export function render(picture: Picture, options?: RenderOptions): Uint8ClampedArray;

/**
 * Draw on a canvas, which becomes as large as what is drawn. It must have no context, or one of the kind "2d".
 *
 * @throws as `render`.
 */
export function draw(picture: Picture, canvas: HTMLCanvasElement | OffscreenCanvas, options?: DrawOptions): void;
