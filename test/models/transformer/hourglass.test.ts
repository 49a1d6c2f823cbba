import { expect, it } from "vitest";
import { evaluate, key, type Tree, tensor } from "../../../src/array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder } from "../../../src/models/index.ts";
import type { HourglassParams } from "../../../src/nn/index.ts";
import { distance } from "../../nn/reference.ts";

it("is the same model as narrow feed-forward sublayers in a row", async () => {
  const depth = 3;
  const attention = { mixer: { kind: "attention", heads: 2 } } as const;
  const base = { vocabulary: 11, context: 8, width: 16, norm: "rms" } as const;
  const stacked: DecoderConfig = {
    ...base,
    blocks: [[attention, { ffn: { kind: "hourglass", hidden: 8, depth } }]],
  };
  const apart: DecoderConfig = {
    ...base,
    blocks: [[attention, ...Array.from({ length: depth }, () => ({ ffn: { kind: "gated", hidden: 8 } }) as const)]],
  };
  const params = await evaluate(decoder(stacked).init(key(3)));
  const [{ mixer, ffn }] = params.blocks as [{ mixer: Tree; ffn: { layer: HourglassParams } }];
  const sublayers = Object.fromEntries(
    ffn.layer.map(({ norm, ffn: layer }, k) => [k === 0 ? "ffn" : `ffn${k + 1}`, { norm, layer }]),
  );
  const rearranged = { ...params, blocks: [{ mixer, ...sublayers }] } as DecoderParams;
  const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8), { shape: [2, 4] });
  const [a, b] = await evaluate([
    decoder(stacked).apply(params, tokens),
    decoder(apart).apply(rearranged, tokens),
  ] as const);
  expect(distance(a.data, b.data)).toBeLessThan(1e-6);
});
