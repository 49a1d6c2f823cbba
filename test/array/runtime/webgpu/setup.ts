/** Everything runs on the GPU that does not say otherwise. */
import { setDefaults } from "../../../../src/array/index.ts";

setDefaults({ device: "webgpu" });
