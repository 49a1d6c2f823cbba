/** Models that verbs compute with, with their weights as the flags ask for. */
import { decoder, loadPretrained, type Pretrained } from "../models/index.ts";
import { quantizeLinears } from "../surgery/quantize-linears.ts";

export interface WeightFlags {
  /** Keep 16-bit weights as they are. */
  readonly half?: boolean;
  /** Round the weights of linear maps to few bits. */
  readonly weights?: "int8" | "int4";
}

/** Loads a model from its folder; see `loadPretrained` and `quantizeLinears`. */
export async function loadModel(folder: string, { half = false, weights }: WeightFlags): Promise<Pretrained> {
  const loaded = await loadPretrained(folder, { keepHalf: half });
  if (weights === undefined) return loaded;
  const { config, params } = quantizeLinears(
    { config: loaded.model.config, params: loaded.params },
    { bits: weights === "int8" ? 8 : 4 },
  );
  return { ...loaded, model: decoder(config), params };
}
