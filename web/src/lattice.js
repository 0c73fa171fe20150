// Lattices: at which points of its cell a Gaussian may stand. Integers decide, so that every decoder finds the same.
//
// Numbers in fixed point count units of 2^-32. They are kept as Numbers, because all of them are below 2^53. Products
// that are not are BigInts.

const ONE = 2 ** 32;

/** Return floor(a b / 2^32), which has to be below 2^53 in magnitude. */
function mul(a, b) {
  const aHigh = Math.floor(a / ONE);
  const bHigh = Math.floor(b / ONE);
  const aLow = a - aHigh * ONE;
  const bLow = b - bHigh * ONE;
  const lowProduct = Math.floor(aLow / 2 ** 16) * bLow + Math.floor(((aLow % 2 ** 16) * bLow) / 2 ** 16);
  return aHigh * b + aLow * bHigh + Math.floor(lowProduct / 2 ** 16);
}

function exp(x) {
  const y = Math.floor(x / 2 ** 8);
  let t = ONE;
  for (let s = 8; s > 0; s--) t = ONE + Math.floor(mul(t, y) / s);
  for (let i = 0; i < 8; i++) t = mul(t, t);
  return t;
}

/** Return cosh(r) for odd = -1 and sinh(r) / r for odd = 1, of r2 = r^2. */
function series(r2, odd) {
  let t = ONE;
  for (let s = 24; s > 0; s--) t = ONE + Math.floor(mul(t, r2) / (2 * s * (2 * s + odd)));
  return t;
}

/** Return floor(sqrt(2^32 x)), exactly. */
function root(x) {
  const square = BigInt(x) << 32n;
  let result = BigInt(Math.floor(Math.sqrt(x) * 2 ** 16));
  while (result * result > square) result--;
  while ((result + 1n) * (result + 1n) <= square) result++;
  return result;
}

/**
 * Return what all Gaussians with a covariance codeword have in common. Without subdivision, each cell is one point.
 *
 * @param {number[]} covariance (m, u, v)
 * @param header of the file
 * @returns {{densityX: number, densityY: number, shear: number}} F_x, F_y and k
 */
export function latticeShape([m, u, v], { width, height, columns, rows, subdivision }) {
  if (!subdivision) return { densityX: 0, densityY: 0, shear: 0 };
  u *= ONE;
  v *= ONE;
  const r2 = mul(u, u) + mul(v, v);
  const sinhc = series(r2, 1);
  const sxx = Math.max(2 ** 16, series(r2, -1) + mul(u, sinhc));
  const sxy = mul(v, sinhc);
  const rootOfSxx = root(sxx);
  const fineness = BigInt(subdivision) * BigInt(exp(Math.floor((-3 * m * ONE) / 8)));
  const p = 256n * BigInt(sxy) * BigInt(width) * BigInt(rows);
  const q = BigInt(sxx) * BigInt(columns) * BigInt(height);
  // floor((2 p + q) / (2 q)), at least -2^15. The division of BigInts rounds towards 0, so it is of what is not below 0.
  const shear = 2n * p + q + 2n ** 16n * q;
  return {
    densityX: Math.min(ONE, Number((fineness << 12n) / rootOfSxx)),
    densityY: Math.min(ONE, Number((fineness * rootOfSxx) >> 52n)),
    shear: Math.min(Number((shear > 0n ? shear : 0n) / (2n * q)), 2 ** 16) - 2 ** 15,
  };
}

/** Return G, a factor of the densities, of a colour codeword with the amplitude code z. */
export function latticeFactor(z, blending) {
  return blending === "normalized" ? Math.floor(exp(z * ONE) / 2 ** 16) : 2 ** 16;
}

/** Return n_x or n_y, the points of a lattice along one side of its cell. */
export function latticePoints(density, factor) {
  return Math.min(Math.max(Math.floor((density * factor + 2 ** 31) / ONE), 1), 4096);
}
