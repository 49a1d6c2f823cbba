/** Transforms beyond the Fourier transforms of the array language, and what is computed by them. */
export { complexProduct } from "./complex.ts";
export { type FftConvolutionOptions, fftConvolution } from "./convolution.ts";
export { type DctOptions, dct, idct } from "./cosine.ts";
