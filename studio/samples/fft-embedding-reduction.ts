import { evaluate, key, normal } from "fourward";
import { realFourier } from "fourward/spectral";

// Vectors of 384 numbers as the 96 lowest numbers of their Fourier transforms.
const vectors = normal(key(0), [10, 384]);
const low = await evaluate(realFourier(vectors, { coefficients: 96 }));
console.log("shortened", low.shape);
