/** Transforms beyond the Fourier transforms of the array language, and what is computed by them. */
export { complexProduct } from "./complex.ts";
export { type FftConvolutionOptions, fftConvolution } from "./convolution.ts";
export { type DctOptions, dct, idct } from "./cosine.ts";
export { type FftLog, type FftLogOptions, fftLog } from "./fftlog.ts";
export { type ComplexNumber, logGamma } from "./gamma.ts";
export { dot, multiply, multiplyTransposed, parity, rank, span } from "./gf2.ts";
export { hashedNormal } from "./hashed-normal.ts";
export { type HarmonicPart, harmonicTable, legendreFunctions } from "./legendre.ts";
export { lowPassKernel } from "./low-pass.ts";
export { type MonarchForm, monarchConvolution, monarchKernel } from "./monarch.ts";
export { fitMonarchCost, type MachineRates, type MeasuredForm, monarchCost, monarchWork } from "./monarch-cost.ts";
export { type Bins, densityEvolutionThreshold, peel } from "./peeling.ts";
export { inverseRealFourier, type RealFourierOptions, realFourier } from "./real-fourier.ts";
export {
  hadamardBins,
  randomGroups,
  type Signal,
  type SparseHadamardOptions,
  type SparseSpectrum,
  sparseWalshHadamard,
} from "./sparse-walsh-hadamard.ts";
export { type Latitudes, latitudesOf, type SphereGrid, sphereGrids } from "./sphere-grids.ts";
export { type EulerAngles, type HarmonicCoefficients, harmonicSum, rotatedField } from "./sphere-rotation.ts";
export {
  degreePower,
  type SphericalOptions,
  type SphericalTransform,
  sphericalHarmonics,
  type TangentCoefficients,
  type TangentField,
} from "./spherical-harmonics.ts";
export { fwht, type WalshHadamardOptions, walshHadamard } from "./walsh-hadamard.ts";
