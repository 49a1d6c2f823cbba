/** Models and their checkpoints. */

export {
  fromPatches,
  type PatchAutoencoderOptions,
  patchAutoencoder,
  type QuantizedAutoencoder,
  type QuantizedParams,
  quantizedAutoencoder,
  toPatches,
} from "./autoencoder.ts";
export { type Checkpoint, loadTree, saveTree } from "./checkpoint.ts";
export {
  type HostTensor,
  openSafetensors,
  parseSafetensors,
  readSafetensors,
  type Safetensors,
  type TensorToWrite,
  writeSafetensors,
} from "./safetensors.ts";
export type { SafetensorsDType, SafetensorsEntry } from "./safetensors-header.ts";
