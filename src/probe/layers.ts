/** Which layers a probe looks at. */
import { type Decoder, type FfnPlace, ffnPlaces } from "../models/index.ts";
import { NotApplicableError } from "./value-vectors.ts";

/** The feed-forward layers of these blocks, all by default. Throws one sentence if a block is not there or none has one. */
export function chosenFfns(model: Decoder, layers?: readonly number[]): readonly FfnPlace[] {
  const blocks = model.config.blocks.length;
  const missing = layers?.find((layer) => !(Number.isInteger(layer) && layer >= 0 && layer < blocks));
  if (missing !== undefined)
    throw new RangeError(`probe: there is no layer ${missing}; the model has layers 0 to ${blocks - 1}`);
  const places = ffnPlaces(model.config).filter(({ block }) => layers?.includes(block) ?? true);
  if (places.length === 0) throw new NotApplicableError("probe: these layers have no feed-forward sublayer");
  return places;
}

/** How a layer is called in tables: its block, and its name where a block has several. */
export const layerLabel = ({ block, name }: FfnPlace): string => (name === "ffn" ? `${block}` : `${block} ${name}`);
