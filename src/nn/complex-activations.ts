/** Functions between layers of complex values: they change magnitudes and keep phases. */
import { add, type Complex, div, mul, relu, sqrt, square, type Tensor, type TensorLike } from "../array/index.ts";

/** Added to squared magnitudes, so that gradients are finite at 0. */
const EPS = 1e-8;

/**
 * `z·f(m)/m` with `m = √(|z|² + 1e-8)`: a function of the magnitude, at the same phase. A rotation of the input rotates
 * the output, which a function of the real and the imaginary part by themselves does not do. With GELU it is `z·Φ(|z|)`,
 * Φ the normal distribution: between a half and all of z.
 * Source: Fein-Ashley et al. 2025 (FFTNet), arXiv:2502.18394, the published code; there 1e-6 is added to the divisor.
 */
export function magnitudeActivation(z: Complex, f: (magnitude: Tensor) => Tensor): Complex {
  const magnitude = sqrt(add(add(square(z.re), square(z.im)), EPS));
  const factor = div(f(magnitude), magnitude);
  return { re: mul(z.re, factor), im: mul(z.im, factor) };
}

/**
 * `relu(|z| + b)·z/|z|`, with the magnitude of `magnitudeActivation`; `bias` b broadcasts with z. A negative b makes
 * small values zero, a positive one pushes values away from zero.
 * Source: Arjovsky et al. 2016, "Unitary evolution recurrent neural networks", arXiv:1511.06464, equation 8.
 */
export const modRelu = (z: Complex, bias: TensorLike): Complex => magnitudeActivation(z, (m) => relu(add(m, bias)));
