/**
 * Published architectures in plain float64 loops over the tensors of a checkpoint: definitions that share nothing with
 * the code they check. Matrices of `linear` are `[outputs, inputs]`.
 */

/** A tensor by its published name, row-major. */
export type Weights = (name: string) => ArrayLike<number>;
export type Rows = number[][];

export const plus = (a: Rows, b: Rows): Rows => a.map((row, t) => row.map((value, i) => value + (b[t]?.[i] as number)));

export const linear = (x: Rows, weight: ArrayLike<number>, bias?: ArrayLike<number>): Rows =>
  x.map((row) =>
    Array.from({ length: weight.length / row.length }, (_, j) =>
      row.reduce((sum, value, i) => sum + value * Number(weight[j * row.length + i]), bias ? Number(bias[j]) : 0),
    ),
  );

export const layerNorm = (x: Rows, weight: ArrayLike<number>, bias: ArrayLike<number>, eps = 1e-5): Rows =>
  x.map((row) => {
    const mean = row.reduce((a, b) => a + b, 0) / row.length;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
    return row.map((value, i) => ((value - mean) / Math.sqrt(variance + eps)) * Number(weight[i]) + Number(bias[i]));
  });

export const rmsNorm = (x: Rows, weight: ArrayLike<number>, eps: number): Rows =>
  x.map((row) => {
    const square = row.reduce((a, b) => a + b * b, 0) / row.length;
    return row.map((value, i) => (value / Math.sqrt(square + eps)) * Number(weight[i]));
  });

/** Columns of each head. */
export const heads = (x: Rows, count: number): Rows[] =>
  Array.from({ length: count }, (_, h) =>
    x.map((row) => row.slice((h * row.length) / count, ((h + 1) * row.length) / count)),
  );

/** Rotates the first `turned` features of a row, feature i with feature i + turned/2. */
export const rotated = (x: Rows, frequency: (pair: number) => number, turned: number, magnitude = 1): Rows =>
  x.map((row, t) =>
    row.map((value, i) => {
      if (i >= turned) return value;
      const half = turned / 2;
      const angle = t * frequency(i % half);
      const other = row[i < half ? i + half : i - half] as number;
      return magnitude * (value * Math.cos(angle) + (i < half ? -other : other) * Math.sin(angle));
    }),
  );

/** Causal attention of each query head over the key head of its group; heads side by side again. */
export function attention(q: Rows[], k: Rows[], v: Rows[]): Rows {
  return (q[0] as Rows).map((_, t) =>
    q.flatMap((queries, h) => {
      const group = Math.floor(h / (q.length / k.length));
      const query = queries[t] as number[];
      const scores = (k[group] as Rows)
        .slice(0, t + 1)
        .map((key) =>
          Math.exp(query.reduce((sum, value, i) => sum + value * (key[i] as number), 0) / Math.sqrt(query.length)),
        );
      const total = scores.reduce((a, b) => a + b, 0);
      const values = v[group] as Rows;
      return (values[0] as number[]).map((_, i) =>
        scores.reduce((sum, score, s) => sum + (score / total) * (values[s]?.[i] as number), 0),
      );
    }),
  );
}

export const rowsOf = (table: ArrayLike<number>, indices: readonly number[], width: number): Rows =>
  indices.map((index) => Array.from({ length: width }, (_, j) => Number(table[index * width + j])));

export const silu = (x: number): number => x / (1 + Math.exp(-x));

/** The error function by its series, good to float64 for the small arguments of these tests. */
const erf = (x: number): number => {
  let [term, sum] = [x, x];
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
export const gelu = (x: number): number => (Math.abs(x) > 5 ? Math.max(0, x) : 0.5 * x * (1 + erf(x / Math.SQRT2)));

export interface LlamaShape {
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly layers: number;
  readonly eps: number;
  readonly tied: boolean;
  /** Biases of queries, keys and values. */
  readonly bias: boolean;
  readonly headNorms: boolean;
  readonly frequency: (pair: number) => number;
  readonly magnitude?: number;
}

/** Llama, Mistral, Qwen2 and Qwen3. */
export function llamaLogits(shape: LlamaShape, w: Weights, tokens: readonly number[]): Rows {
  const table = w("model.embed_tokens.weight");
  let x = rowsOf(table, tokens, shape.width);
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = (name: string): ArrayLike<number> => w(`model.layers.${layer}.${name}`);
    const h = rmsNorm(x, at("input_layernorm.weight"), shape.eps);
    const project = (name: string): Rows =>
      linear(h, at(`self_attn.${name}_proj.weight`), shape.bias ? at(`self_attn.${name}_proj.bias`) : undefined);
    const turn = (name: "q" | "k", count: number): Rows[] =>
      heads(project(name), count).map((each) => {
        const normal = shape.headNorms ? rmsNorm(each, at(`self_attn.${name}_norm.weight`), shape.eps) : each;
        return rotated(normal, shape.frequency, (normal[0] as number[]).length, shape.magnitude);
      });
    const mixed = attention(turn("q", shape.heads), turn("k", shape.kvHeads), heads(project("v"), shape.kvHeads));
    x = plus(x, linear(mixed, at("self_attn.o_proj.weight")));
    const g = rmsNorm(x, at("post_attention_layernorm.weight"), shape.eps);
    const gate = linear(g, at("mlp.gate_proj.weight"));
    const up = linear(g, at("mlp.up_proj.weight"));
    const inner = gate.map((row, t) => row.map((value, i) => silu(value) * (up[t]?.[i] as number)));
    x = plus(x, linear(inner, at("mlp.down_proj.weight")));
  }
  return linear(rmsNorm(x, w("model.norm.weight"), shape.eps), shape.tied ? table : w("lm_head.weight"));
}

/** OPT with norms before sublayers. */
export function optLogits(
  shape: { readonly width: number; readonly heads: number; readonly layers: number },
  w: Weights,
  tokens: readonly number[],
): Rows {
  const at0 = (name: string): ArrayLike<number> => w(`model.decoder.${name}`);
  const places = tokens.map((_, t) => t + 2);
  let x = plus(
    rowsOf(at0("embed_tokens.weight"), tokens, shape.width),
    rowsOf(at0("embed_positions.weight"), places, shape.width),
  );
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = (name: string): ArrayLike<number> => at0(`layers.${layer}.${name}`);
    const both = (name: string) => [at(`${name}.weight`), at(`${name}.bias`)] as const;
    const h = layerNorm(x, ...both("self_attn_layer_norm"));
    const project = (name: string): Rows[] => heads(linear(h, ...both(`self_attn.${name}_proj`)), shape.heads);
    x = plus(x, linear(attention(project("q"), project("k"), project("v")), ...both("self_attn.out_proj")));
    const inner = linear(layerNorm(x, ...both("final_layer_norm")), ...both("fc1"));
    x = plus(
      x,
      linear(
        inner.map((row) => row.map((value) => Math.max(0, value))),
        ...both("fc2"),
      ),
    );
  }
  return linear(layerNorm(x, at0("final_layer_norm.weight"), at0("final_layer_norm.bias")), at0("embed_tokens.weight"));
}

/** OPT as its 350m is: norms after the sums, no last norm, embeddings that linear maps widen and narrow again. */
export function optPostNormLogits(
  shape: { readonly heads: number; readonly layers: number; readonly width: number; readonly narrow: number },
  w: Weights,
  tokens: readonly number[],
): Rows {
  const at0 = (name: string): ArrayLike<number> => w(`model.decoder.${name}`);
  const widened = linear(rowsOf(at0("embed_tokens.weight"), tokens, shape.narrow), at0("project_in.weight"));
  let x = plus(
    widened,
    rowsOf(
      at0("embed_positions.weight"),
      tokens.map((_, t) => t + 2),
      shape.width,
    ),
  );
  for (let layer = 0; layer < shape.layers; layer++) {
    const both = (name: string) =>
      [at0(`layers.${layer}.${name}.weight`), at0(`layers.${layer}.${name}.bias`)] as const;
    const project = (name: string): Rows[] => heads(linear(x, ...both(`self_attn.${name}_proj`)), shape.heads);
    const mixed = linear(attention(project("q"), project("k"), project("v")), ...both("self_attn.out_proj"));
    x = layerNorm(plus(x, mixed), ...both("self_attn_layer_norm"));
    const inner = linear(x, ...both("fc1")).map((row) => row.map((value) => Math.max(0, value)));
    x = layerNorm(plus(x, linear(inner, ...both("fc2"))), ...both("final_layer_norm"));
  }
  return linear(linear(x, at0("project_out.weight")), at0("embed_tokens.weight"));
}

/** GPT-NeoX with attention and feed-forward side by side. */
export function neoxLogits(
  shape: { readonly width: number; readonly heads: number; readonly layers: number; readonly turned: number },
  w: Weights,
  tokens: readonly number[],
): Rows {
  const each = shape.width / shape.heads;
  let x = rowsOf(w("gpt_neox.embed_in.weight"), tokens, shape.width);
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = (name: string): ArrayLike<number> => w(`gpt_neox.layers.${layer}.${name}`);
    const both = (name: string) => [at(`${name}.weight`), at(`${name}.bias`)] as const;
    const fused = heads(
      linear(layerNorm(x, ...both("input_layernorm")), ...both("attention.query_key_value")),
      shape.heads,
    );
    const part = (which: number): Rows[] =>
      fused.map((head) => head.map((row) => row.slice(which * each, (which + 1) * each)));
    const turn = (which: number): Rows[] =>
      part(which).map((head) => rotated(head, (pair) => 10_000 ** ((-2 * pair) / shape.turned), shape.turned));
    const mixed = linear(attention(turn(0), turn(1), part(2)), ...both("attention.dense"));
    const inner = linear(layerNorm(x, ...both("post_attention_layernorm")), ...both("mlp.dense_h_to_4h"));
    const fed = linear(
      inner.map((row) => row.map(gelu)),
      ...both("mlp.dense_4h_to_h"),
    );
    x = plus(plus(x, mixed), fed);
  }
  const last = layerNorm(x, w("gpt_neox.final_layer_norm.weight"), w("gpt_neox.final_layer_norm.bias"));
  return linear(last, w("embed_out.weight"));
}

/** `x·W + b` with a matrix `[inputs, outputs]`, as GPT-2 keeps them. */
const convolved = (x: Rows, weight: ArrayLike<number>, bias: ArrayLike<number>): Rows =>
  x.map((row) =>
    Array.from(bias, (b, j) => row.reduce((sum, value, i) => sum + value * Number(weight[i * bias.length + j]), b)),
  );

/** GPT-2. */
export function gpt2Logits(
  shape: { readonly width: number; readonly heads: number; readonly layers: number },
  w: Weights,
  activation: (x: number) => number,
  tokens: readonly number[],
): Rows {
  const { width } = shape;
  const places = tokens.map((_, t) => t);
  let x = plus(rowsOf(w("wte.weight"), tokens, width), rowsOf(w("wpe.weight"), places, width));
  for (let layer = 0; layer < shape.layers; layer++) {
    const both = (name: string) => [w(`h.${layer}.${name}.weight`), w(`h.${layer}.${name}.bias`)] as const;
    const fused = convolved(layerNorm(x, ...both("ln_1")), ...both("attn.c_attn"));
    const part = (which: number): Rows[] =>
      heads(
        fused.map((row) => row.slice(which * width, (which + 1) * width)),
        shape.heads,
      );
    x = plus(x, convolved(attention(part(0), part(1), part(2)), ...both("attn.c_proj")));
    const inner = convolved(layerNorm(x, ...both("ln_2")), ...both("mlp.c_fc"));
    x = plus(
      x,
      convolved(
        inner.map((row) => row.map(activation)),
        ...both("mlp.c_proj"),
      ),
    );
  }
  return linear(layerNorm(x, w("ln_f.weight"), w("ln_f.bias")), w("wte.weight"));
}

export interface VitShape {
  readonly prefix: string;
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
  readonly patch: number;
  readonly image: readonly [number, number];
  /** Null without a token of distillation; with one, whether its head's logits are averaged with the others. */
  readonly heads2: "average" | "unused" | null;
}

/** ViT, or DeiT, from the definition: `pixel(channel, y, x)` is the image after scaling. */
export function vitLogits(
  shape: VitShape,
  w: Weights,
  pixel: (channel: number, y: number, x: number) => number,
): number[] {
  const at0 = (name: string): ArrayLike<number> => w(shape.prefix + name);
  const { width, patch, image } = shape;
  const kernel = at0("embeddings.patch_embeddings.projection.weight");
  const channels = kernel.length / (width * patch * patch);
  const x: Rows = [Array.from(at0("embeddings.cls_token"))];
  if (shape.heads2) x.push(Array.from(at0("embeddings.distillation_token")));
  for (let top = 0; top < image[0]; top += patch)
    for (let left = 0; left < image[1]; left += patch)
      x.push(
        Array.from({ length: width }, (_, j) => {
          let sum = Number(at0("embeddings.patch_embeddings.projection.bias")[j]);
          for (let c = 0; c < channels; c++)
            for (let a = 0; a < patch; a++)
              for (let b = 0; b < patch; b++)
                sum += Number(kernel[((j * channels + c) * patch + a) * patch + b]) * pixel(c, top + a, left + b);
          return sum;
        }),
      );
  const places = at0("embeddings.position_embeddings");
  let y = x.map((row, t) => row.map((value, j) => value + Number(places[t * width + j])));
  for (let layer = 0; layer < shape.layers; layer++) {
    const both = (name: string) =>
      [at0(`encoder.layer.${layer}.${name}.weight`), at0(`encoder.layer.${layer}.${name}.bias`)] as const;
    const h = layerNorm(y, ...both("layernorm_before"), 1e-12);
    const project = (name: string): Rows[] => heads(linear(h, ...both(`attention.attention.${name}`)), shape.heads);
    const [q, k, v] = [project("query"), project("key"), project("value")];
    // Every position sees every other: the last row of causal attention over an order that ends with it.
    const mixed = y.map((_, t) => {
      const turned = (part: Rows[]): Rows[] =>
        part.map((head) => [...head.filter((_, s) => s !== t), head[t] as number[]]);
      return attention(turned(q), turned(k), turned(v)).at(-1) as number[];
    });
    y = plus(y, linear(mixed, ...both("attention.output.dense")));
    const inner = linear(layerNorm(y, ...both("layernorm_after"), 1e-12), ...both("intermediate.dense"));
    y = plus(
      y,
      linear(
        inner.map((row) => row.map(gelu)),
        ...both("output.dense"),
      ),
    );
  }
  const last = layerNorm(y, at0("layernorm.weight"), at0("layernorm.bias"), 1e-12);
  const read = (head: string, token: number): number[] =>
    linear([last[token] as number[]], w(`${head}.weight`), w(`${head}.bias`))[0] as number[];
  if (shape.heads2 !== "average") return read("classifier", 0);
  const [a, b] = [read("cls_classifier", 0), read("distillation_classifier", 1)];
  return a.map((value, i) => (value + (b[i] as number)) / 2);
}
