import { evaluate, grad, item, key, normal, square, sum, type Tensor } from "fourward";
import { fftConvolution } from "fourward/spectral";

// A causal convolution of 4,096 points with a kernel as long, as products with small matrices.
const u = await evaluate(normal(key(0), [2, 8, 4096]));
const k = await evaluate(normal(key(1), [8, 4096]));
const y = await evaluate(fftConvolution(u, k));
console.log("outputs", y.shape);

// Its gradients follow from the transforms.
const loss = (kernel: Tensor) => sum(square(fftConvolution(u, kernel)));
console.log("gradient of the first tap:", (await evaluate(grad(loss)(k))).data[0], item(await evaluate(loss(k))));
