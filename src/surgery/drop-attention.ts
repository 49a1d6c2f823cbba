/** Attention sublayers left out where the model misses them least. */
import { mapTree, type Tree, tensor } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { decoder, type Sublayer } from "../models/index.ts";
import type { StudyProgress } from "../report/index.ts";
import { scoreLanguageModel } from "../train/index.ts";
import type { ConfiguredDecoder } from "./replace.ts";
import { leaveOut, namesOf, type OwnedSublayer, type Place, placeText, takeApart } from "./sublayers.ts";

export interface DropAttentionOptions {
  /** Attention sublayers to leave out. */
  readonly count: number;
  /** The first and the last block that may lose theirs; all by default. */
  readonly within?: readonly [first: number, last: number];
  /** Text on whose loss they are chosen. */
  readonly text: TokenFile;
  /** Windows of it, spread evenly; 16 by default. */
  readonly windows?: number;
  /** Tokens of a window; all that the model sees by default. */
  readonly context?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StudyProgress) => void;
}

/** One that was left out, with the loss in nats per token after it. */
export interface DroppedAttention extends Place {
  readonly loss: number;
}

export interface WithoutAttention extends ConfiguredDecoder {
  /** The loss of the whole model. */
  readonly loss: number;
  /** In the order of their choice; places are those in the whole model. */
  readonly dropped: readonly DroppedAttention[];
}

/**
 * The model without `count` of its attention sublayers: one after the other, each time the one without which the loss on
 * calibration text is least. Weights stay as they are. Attention that shares its weights, or has a linear shortcut, is no
 * candidate. Throws one sentence if there are not so many.
 * Source: the search of arXiv:2503.18908 scores sublayers by distillation under a latency budget; this is the greedy rule
 * at our size.
 */
export async function dropAttention(
  model: ConfiguredDecoder,
  {
    count,
    within = [0, Number.POSITIVE_INFINITY],
    text,
    windows = 16,
    context: given,
    signal,
    onProgress,
  }: DropAttentionOptions,
): Promise<WithoutAttention> {
  const blocks = takeApart(model);
  const candidates = blocks.flatMap((block, b) => {
    const names = namesOf(block.map(({ sublayer }) => sublayer));
    return block.flatMap(({ sublayer }, i) =>
      canGo(sublayer) && b >= within[0] && b <= within[1] ? [{ block: b, name: names[i] as string }] : [],
    );
  });
  if (!Number.isInteger(count) || count < 0 || count > candidates.length)
    throw new RangeError(
      `dropAttention: count must be a whole number up to the ${candidates.length} attention sublayers that can be dropped, got ${count}`,
    );
  const whole = decoder(model.config);
  const context = Math.min(given ?? whole.config.context, text.length - 1);
  const lossWithout = async (places: readonly Place[]): Promise<number> => {
    const silenced = withOutputs(model, blocks, new Set(places.map(placeText)));
    const options = { context, windows, ...(signal ? { signal } : {}) };
    return (await scoreLanguageModel(whole, silenced.params, text, options)).loss;
  };
  const total = Array.from({ length: count }, (_, i) => candidates.length - i).reduce((a, b) => a + b, 1);
  let done = 0;
  const report = (stage: string) => onProgress?.({ done: done++, total, stage, unit: "scores" });
  report("scoring the whole model");
  const loss = await lossWithout([]);
  const dropped: DroppedAttention[] = [];
  while (dropped.length < count) {
    let best: DroppedAttention | null = null;
    for (const place of candidates) {
      if (dropped.some((each) => placeText(each) === placeText(place))) continue;
      report(`attention ${dropped.length + 1} of ${count} to drop, without ${placeText(place)}`);
      const after = await lossWithout([...dropped, place]);
      if (best === null || after < best.loss) best = { ...place, loss: after };
    }
    dropped.push(best as DroppedAttention);
  }
  const names = new Set(dropped.map(placeText));
  return { ...leaveOut(model, blocks, (place) => names.has(placeText(place))), loss, dropped };
}

const canGo = (sublayer: Sublayer): boolean =>
  "mixer" in sublayer &&
  sublayer.mixer.kind === "attention" &&
  sublayer.shared === undefined &&
  sublayer.shortcut !== "linear";

/** The model with nothing coming out of these: the same graph for all choices. */
function withOutputs(
  model: ConfiguredDecoder,
  blocks: readonly (readonly OwnedSublayer[])[],
  silent: ReadonlySet<string>,
): ConfiguredDecoder {
  const own = model.params.blocks.map((block, b) => {
    const names = namesOf((blocks[b] ?? []).map(({ sublayer }) => sublayer));
    return Object.fromEntries(
      Object.entries(block).map(([name, stored]) =>
        names.includes(name) && silent.has(placeText({ block: b, name }))
          ? [name, { ...stored, layer: silenced(stored.layer as Tree) }]
          : [name, stored],
      ),
    );
  });
  return { ...model, params: { ...model.params, blocks: own } };
}

const silenced = (layer: Tree): Tree =>
  mapTree(layer, (x, path) => (path.startsWith("output.") ? tensor(new Float32Array(x.size), { shape: x.shape }) : x));
