/** Flow through a porous medium. */

/**
 * Solves `-∇·(a·∇u) = f` on the unit square with u = 0 on its border: the pressure u of a slow flow where the medium lets
 * it pass with permeability a. Finite volumes of second order: `a`, `f` and u are values at the centres `(i + ½)/size` of
 * cells, `[y, x]`; between two cells stands the harmonic mean of their permeabilities, which keeps the flow across jumps.
 * The linear system is solved directly. `f` is 1 everywhere by default.
 */
export function darcyFlow2d(
  permeability: Float64Array,
  { size, forcing }: { readonly size: number; readonly forcing?: Float64Array },
): Float64Array {
  if (!Number.isInteger(size) || size < 2)
    throw new RangeError(`darcyFlow2d: size must be a whole number of at least 2, got ${size}`);
  for (const [name, values] of Object.entries({ permeability, forcing }))
    if (values && values.length !== size * size)
      throw new RangeError(`darcyFlow2d: ${name} must have ${size} x ${size} values, got ${values.length}`);
  const wrong = permeability.findIndex((a) => !(a > 0 && Number.isFinite(a)));
  if (wrong >= 0)
    throw new RangeError(`darcyFlow2d: permeability must be above 0, got ${permeability[wrong]} at cell ${wrong}`);
  const u = forcing ? Float64Array.from(forcing) : new Float64Array(size * size).fill(1);
  const band = factorize(stiffness(permeability, size), size);
  substitute(band, u, size);
  return u;
}

/**
 * The lower band of the symmetric matrix: `band[row·(size + 1) + d]` is its element `(row, row - size + d)`, so that the
 * diagonal comes last.
 */
function stiffness(a: Float64Array, size: number): Float64Array {
  const width = size + 1;
  const band = new Float64Array(size * size * width);
  const squared = size ** 2;
  const between = (i: number, j: number): number => {
    const [p, q] = [a[i] as number, a[j] as number];
    return (squared * 2 * p * q) / (p + q);
  };
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const row = y * size + x;
      // The border is half a cell away.
      const border = 2 * squared * (a[row] as number);
      const left = x > 0 ? between(row, row - 1) : border;
      const right = x < size - 1 ? between(row, row + 1) : border;
      const above = y > 0 ? between(row, row - size) : border;
      const below = y < size - 1 ? between(row, row + size) : border;
      band[row * width + size] = left + right + above + below;
      if (x > 0) band[row * width + size - 1] = -left;
      if (y > 0) band[row * width] = -above;
    }
  }
  return band;
}

/** Cholesky's factor in place of the lower band. */
function factorize(band: Float64Array, size: number): Float64Array {
  const width = size + 1;
  for (let row = 0; row < size * size; row++) {
    const here = row * width;
    const first = Math.max(0, row - size);
    for (let column = first; column <= row; column++) {
      const there = column * width;
      let sum = band[here + size - row + column] as number;
      // Both rows overlap from the first column of this one on.
      for (let k = first; k < column; k++)
        sum -= (band[here + size - row + k] as number) * (band[there + size - column + k] as number);
      band[here + size - row + column] = column < row ? sum / (band[there + size] as number) : Math.sqrt(sum);
    }
  }
  return band;
}

/** Solves `L·Lᵀ·u = f` in place of f. */
function substitute(band: Float64Array, u: Float64Array, size: number): void {
  const width = size + 1;
  for (let row = 0; row < u.length; row++) {
    let sum = u[row] as number;
    for (let k = Math.max(0, row - size); k < row; k++)
      sum -= (band[row * width + size - row + k] as number) * (u[k] as number);
    u[row] = sum / (band[row * width + size] as number);
  }
  for (let row = u.length - 1; row >= 0; row--) {
    const value = (u[row] as number) / (band[row * width + size] as number);
    u[row] = value;
    for (let k = Math.max(0, row - size); k < row; k++)
      (u[k] as number) -= (band[row * width + size - row + k] as number) * value;
  }
}
