/** GPT-2 as it was published, in plain float64 loops over the tensors of a checkpoint: an independent definition. */

/** A tensor by its published name, row-major. */
export type Weights = (name: string) => ArrayLike<number>;

export interface Gpt2Shape {
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  readonly hidden: number;
  readonly vocabulary: number;
}

type Rows = number[][];

const affine = (x: Rows, weight: ArrayLike<number>, bias: ArrayLike<number>): Rows =>
  x.map((row) =>
    Array.from(bias, (b, j) => row.reduce((sum, value, i) => sum + value * Number(weight[i * bias.length + j]), b)),
  );

const normalized = (x: Rows, weight: ArrayLike<number>, bias: ArrayLike<number>): Rows =>
  x.map((row) => {
    const mean = row.reduce((a, b) => a + b, 0) / row.length;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
    return row.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * Number(weight[i]) + Number(bias[i]));
  });

const plus = (a: Rows, b: Rows): Rows => a.map((row, t) => row.map((value, i) => value + (b[t]?.[i] as number)));

function attention(qkv: Rows, heads: number): Rows {
  const width = (qkv[0] as number[]).length / 3;
  const each = width / heads;
  return qkv.map((row, t) => {
    const out = Array<number>(width).fill(0);
    for (let h = 0; h < heads; h++) {
      const scores = qkv.slice(0, t + 1).map((other) => {
        let product = 0;
        for (let i = h * each; i < (h + 1) * each; i++) product += (row[i] as number) * (other[width + i] as number);
        return Math.exp(product / Math.sqrt(each));
      });
      const total = scores.reduce((a, b) => a + b, 0);
      scores.forEach((score, s) => {
        for (let i = h * each; i < (h + 1) * each; i++)
          (out[i] as number) += (score / total) * (qkv[s]?.[2 * width + i] as number);
      });
    }
    return out;
  });
}

/** Logits `[time][vocabulary]`. */
export function gpt2Logits(
  { width, heads, layers, vocabulary }: Gpt2Shape,
  weights: Weights,
  activation: (x: number) => number,
  tokens: readonly number[],
): Rows {
  const row = (name: string, i: number): number[] =>
    Array.from({ length: width }, (_, j) => Number(weights(name)[i * width + j]));
  let x = tokens.map((token, t) =>
    row("wte.weight", token).map((value, i) => value + (row("wpe.weight", t)[i] as number)),
  );
  for (let layer = 0; layer < layers; layer++) {
    const at = (name: string): ArrayLike<number> => weights(`h.${layer}.${name}`);
    const both = (name: string) => [at(`${name}.weight`), at(`${name}.bias`)] as const;
    const mixed = attention(affine(normalized(x, ...both("ln_1")), ...both("attn.c_attn")), heads);
    x = plus(x, affine(mixed, ...both("attn.c_proj")));
    const inner = affine(normalized(x, ...both("ln_2")), ...both("mlp.c_fc")).map((r) => r.map(activation));
    x = plus(x, affine(inner, ...both("mlp.c_proj")));
  }
  x = normalized(x, weights("ln_f.weight"), weights("ln_f.bias"));
  return x.map((h) =>
    Array.from({ length: vocabulary }, (_, v) =>
      row("wte.weight", v).reduce((sum, value, i) => sum + value * (h[i] as number), 0),
    ),
  );
}
