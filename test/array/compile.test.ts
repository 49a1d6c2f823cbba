import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { PbfReader } from "pbf";
import { afterAll, describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";
import { mixWords } from "../../src/array/random.ts";

type Tensor = f.Tensor;
afterAll(f.releaseSessions);
const numbers = (x: Tensor): number[] => Array.from(x.data as Float32Array, Number);

describe("compile", () => {
  it("traces once for each signature: shapes, types, structure, static arguments", async () => {
    let traces = 0;
    const run = f.compile((x: { a: Tensor }, times: number) => {
      traces++;
      return f.mul(x.a, times);
    });
    expect(numbers(await run({ a: f.tensor([1, 2]) }, 3))).toEqual([3, 6]);
    expect(numbers(await run({ a: f.tensor([5, 6]) }, 3))).toEqual([15, 18]);
    expect(traces).toBe(1);
    await run({ a: f.tensor([5, 6]) }, 4);
    await run({ a: f.tensor([5]) }, 4);
    await run({ a: f.tensor([5], { dtype: "float64" }) }, 4);
    expect(traces).toBe(4);
  });

  it("takes lazy arguments, large and small captured constants, and gives trees back", async () => {
    const big = f.tensor(Float32Array.from({ length: 3000 }, (_, i) => i));
    const run = f.compile((x: Tensor) => ({
      sum: f.sum(f.mul(big, x)),
      same: x,
      list: [f.tensor([1, 2]), f.add(x, 1)],
    }));
    const { sum, same, list } = await run(f.add(f.tensor(1), 1));
    expect([sum, same, ...list].map(numbers)).toEqual([[2 * 4498500], [2], [1, 2], [3]]);
  });

  it("feeds large captured constants instead of storing them, inside loops too", async () => {
    const big = f.tensor(Float32Array.from({ length: 3000 }, (_, i) => i));
    const total = (xs: Tensor) =>
      f.scan((c: Tensor, x: Tensor) => [f.add(c, f.sum(f.mul(big, x))), []] as const, f.tensor(0), xs)[0];
    expect(f.item(await f.compile(total)(f.tensor([1, 2])))).toBe(3 * 4498500);
    const printed = f.compile(total).print(f.tensor([1, 2]));
    expect(printed).toContain("(a: f32[2], b: f32[3000])");
    expect(printed).not.toContain("constant");
    // An exported model has no one to feed it.
    expect(f.toOnnx(total, [f.tensor([1, 2])]).length).toBeGreaterThan(12_000);
  });

  it("never changes its inputs nor gives them out as results", async () => {
    const x = f.tensor([1, 2, 3]);
    const [y] = await f.compile((v: Tensor) => [v])(x);
    expect(y?.data).not.toBe(x.data);
    expect((y as Tensor).data.buffer).not.toBe(x.data.buffer);
    expect(numbers(x)).toEqual([1, 2, 3]);
  });

  it("keeps factors of products in float64", async () => {
    const [x, w] = [f.tensor([[[0.3]], [[0.7]]], { dtype: "float64" }), f.tensor([[0.9]], { dtype: "float64" })];
    const y = await f.compile((v: Tensor, u: Tensor) => f.mul(f.matmul(u, f.mul(v, Math.PI)), 1 / 3))(x, w);
    expect(Math.abs(Number(y.data[1]) - (0.9 * 0.7 * Math.PI) / 3)).toBeLessThan(1e-15);
  });

  it("takes factors into the products of rows whose batch axes come back afterwards", async () => {
    const scaled = f.compile((v: Tensor, u: Tensor) => f.mul(3, f.matmul(v, u, { transposeB: true })));
    const [x, w] = [f.tensor([[[1, 2]], [[3, 4]]]), f.tensor([[5, 6]])];
    expect(scaled.print(x, w)).toMatch(/= mul \w 3\n.*= reshape/);
    expect(numbers(await scaled(x, w))).toEqual([51, 117]);
  });

  it("prints what it will run", () => {
    const run = f.compile((x: Tensor, w: Tensor) => f.grad((v: Tensor) => f.sum(f.relu(f.matmul(x, v))))(w));
    expect(run.print(f.zeros([2, 3]), f.zeros([3, 4])).split("\n")).toEqual([
      "(a: f32[2,3], b: f32[3,4]) =>",
      "  c: f32[2,4] = matmul a b transposeA=false transposeB=false",
      "  d: f32[2,4] = relu c",
      "  e: bool[2,4] = less 0 d",
      '  f: f32[2,4] = cast e dtype="float32"',
      "  g: f32[3,4] = matmul a f transposeA=true transposeB=false",
      "  return g",
    ]);
  });

  it("runs models at once while others are loaded and freed", async () => {
    const total = f.compile((xs: readonly Tensor[]) => xs.reduce((sum, x) => f.add(sum, x)));
    const counts = [1, 2, 3, 5, 40, 2, 60, 1];
    for (const times of [2, 3]) {
      const doubled = Array.from({ length: 4 }, (_, i) =>
        f.evaluate(f.mul(f.tensor(new Float32Array(3000).fill(i)), times)),
      );
      const sums = await Promise.all(
        counts.map((count) => total(Array.from({ length: count }, (_, i) => f.tensor(Float32Array.of(i, 1))))),
      );
      expect(sums.map(numbers)).toEqual(counts.map((count) => [(count * (count - 1)) / 2, count]));
      expect((await Promise.all(doubled)).map((x) => numbers(x)[2999])).toEqual([0, times, 2 * times, 3 * times]);
    }
  });

  it("says what went wrong, at the operation", async () => {
    const [a, b] = [f.zeros([32, 512]), f.zeros([64, 512])];
    expect(() => f.matmul(a, b)).toThrow("matmul: inner sizes differ: a is [32, 512], b is [64, 512]; transpose b?");
    expect(() => f.add(f.zeros([2, 3]), f.zeros([4]))).toThrow(
      "add: shapes [2, 3] and [4] do not broadcast (3 against 4)",
    );
    expect(() => f.add(f.tensor([1]), f.tensor([1], { dtype: "int32" }))).toThrow(
      "add: operands are float32 and int32; cast one of them",
    );
    expect(() => f.sum(f.zeros([2]), { axis: 1 })).toThrow(
      "sum: axis 1 is out of range for a tensor of rank 1 (expected -1 to 0)",
    );
    expect(() => f.reshape(f.zeros([6]), [4, -1])).toThrow(
      "reshape: 6 elements of shape [6] do not fill shape [4, -1]",
    );
    expect(() => f.exp(f.tensor([1], { dtype: "int32" }))).toThrow(
      "exp: expected a float tensor, got int32; cast it first",
    );
    expect(() => f.add(f.tensor([1], { dtype: "int32" }), 0.5)).toThrow(
      "the number 0.5 does not fit a int32 tensor; cast the tensor to float32 first",
    );
    expect(() => f.tensor([[1, 2], [3]])).toThrow("tensor: rows of a nested array differ in shape: [2] and [1]");
    expect(() => f.add(f.zeros([1]), "1" as never)).toThrow("add: expected a tensor or a number, got string 1");
    expect(() => f.toOnnx(() => undefined, [])).toThrow(
      "compile: expected a function that returns at least one tensor, got undefined",
    );
    expect(() => f.add(f.zeros([1]), 1).data).toThrow('data: this float32[1] tensor is symbolic (made by "add")');
    expect(() => f.setDefaults({ device: "tpu" })).toThrow('device: expected one of cpu, webgpu, cuda, got "tpu"');
    expect(() => f.setDefaults({ threads: 0 })).toThrow("threads: expected a whole number of at least 1, got 0");
    await expect(f.compile((x: Tensor) => f.max(x, { axis: 0 }))(f.zeros([0, 2]))).rejects.toThrow(
      "max: an axis of 0 elements has no max",
    );
    // A GPU does not look at indices.
    if (f.ownsMemory({})) return;
    await expect(f.evaluate(f.take(f.tensor([1, 2]), f.tensor([5], { dtype: "int32" })))).rejects.toThrow(
      "run: Gather: indices element out of data bounds",
    );
  });

  it("refuses tensors of another trace", async () => {
    let leaked: Tensor | undefined;
    await f.compile((x: Tensor) => {
      leaked = f.mul(x, 2);
      return leaked;
    })(f.tensor(1));
    await expect(f.compile((x: Tensor) => f.add(x, leaked as Tensor))(f.tensor(1))).rejects.toThrow(
      "compile: a tensor of another trace is used",
    );
  });
});

describe("random numbers", () => {
  it("are those of the counter, wherever they are computed", async () => {
    const [words] = await f.evaluate([f.randomBits(f.key(12345), [6])]);
    expect(numbers(words as Tensor)).toEqual([0, 1, 2, 3, 4, 5].map((i) => mixWords(i, 12345, 0)));
    const inLoop = await f.evaluate(
      f.scan((c: Tensor, i: Tensor) => [c, f.uniform(f.fold(f.key(1), i), [3])] as const, f.tensor(0), f.arange(2))[1],
    );
    const outside = await f.evaluate([0, 1].map((i) => f.uniform(f.fold(f.key(1), i), [3])));
    expect(numbers(inLoop)).toEqual(outside.flatMap(numbers));
  });

  it("have the distributions they claim", async () => {
    const n = 200_000;
    const [u, z, coin, dice, order] = await f.evaluate([
      f.uniform(f.key(1), [n]),
      f.normal(f.key(2), [n], { mean: 1, std: 2 }),
      f.bernoulli(f.key(3), [n], 0.3),
      f.randomInteger(f.key(4), [n], { min: 1, max: 7 }),
      f.permutation(f.key(5), 1000),
    ] as const);
    const mean = (x: Tensor, fn = (v: number) => v) => numbers(x).reduce((t, v) => t + fn(v), 0) / x.size;
    // Four standard errors everywhere.
    expect(Math.abs(mean(u) - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / n));
    const sorted = numbers(u).sort((a, b) => a - b);
    // Kolmogorov-Smirnov at the 0.1 % level.
    expect(Math.max(...sorted.map((v, i) => Math.abs(v - (i + 0.5) / n)).filter((_, i) => i % 50 === 0))).toBeLessThan(
      1.95 / Math.sqrt(n),
    );
    expect(Math.abs(mean(z) - 1)).toBeLessThan(4 * (2 / Math.sqrt(n)));
    expect(Math.abs(mean(z, (v) => ((v - 1) / 2) ** 2) - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    expect(Math.abs(mean(z, (v) => ((v - 1) / 2) ** 4) - 3)).toBeLessThan(4 * Math.sqrt(96 / n));
    expect(Math.abs(mean(coin) - 0.3)).toBeLessThan(4 * Math.sqrt(0.21 / n));
    for (let face = 1; face <= 6; face++)
      expect(Math.abs(mean(dice, (v) => Number(v === face)) - 1 / 6)).toBeLessThan(4 * Math.sqrt(5 / 36 / n));
    expect(numbers(order).sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it("of neighbouring counters and keys are independent", async () => {
    const n = 50_000;
    const columns = await f.evaluate(
      [f.key(0), f.key(1), f.fold(f.key(0), 0), f.fold(f.key(0), 1), f.fold(f.key(0), "a"), f.fold(f.key(0), "b")].map(
        (k) => f.uniform(k, [n]),
      ),
    );
    const rows = columns.map(numbers);
    const correlation = (a: readonly number[], b: readonly number[]) =>
      12 * (a.reduce((t, v, i) => t + (v - 0.5) * ((b[i] as number) - 0.5), 0) / n);
    for (const [i, a] of rows.entries()) {
      expect(Math.abs(correlation(a, [...a.slice(1), a[0] as number]))).toBeLessThan(4.5 / Math.sqrt(n));
      for (const b of rows.slice(i + 1)) expect(Math.abs(correlation(a, b))).toBeLessThan(4.5 / Math.sqrt(n));
    }
  });

  it("draw categories as often as the softmax says", async () => {
    const logits = f.broadcastTo(f.tensor([0, 1, 2]), [60_000, 3]);
    const drawn = numbers(await f.evaluate(f.categorical(f.key(9), logits)));
    const total = 1 + Math.E + Math.E ** 2;
    [1, Math.E, Math.E ** 2].forEach((weight, k) => {
      expect(Math.abs(drawn.filter((v) => v === k).length / 60_000 - weight / total)).toBeLessThan(0.01);
    });
  });
});

/** Every node of a model file, subgraphs included, as far as the rules of the ONNX checker need it. */
interface Decoded {
  nodes: { op: string; domain: string; inputs: string[]; outputs: string[]; graphs: Decoded[] }[];
  initializers: string[];
  inputs: string[];
  outputs: string[];
}

function decodeGraph(reader: PbfReader, end: number): Decoded {
  const graph: Decoded = { nodes: [], initializers: [], inputs: [], outputs: [] };
  const nested = <T>(read: (tag: number, value: T) => void, value: T) =>
    reader.readMessage((tag) => read(tag, value), value);
  const nameIn = (field: number) => {
    const holder = { name: "" };
    nested((tag, into) => {
      if (tag === field) into.name = reader.readString();
    }, holder);
    return holder.name;
  };
  reader.readFields(
    (tag) => {
      if (tag === 1) {
        const node: Decoded["nodes"][number] = { op: "", domain: "", inputs: [], outputs: [], graphs: [] };
        nested((field, into) => {
          if (field === 1) into.inputs.push(reader.readString());
          else if (field === 2) into.outputs.push(reader.readString());
          else if (field === 4) into.op = reader.readString();
          else if (field === 7) into.domain = reader.readString();
          else if (field === 5)
            nested((attribute) => {
              if (attribute === 6) into.graphs.push(decodeGraph(reader, reader.readVarint() + reader.pos));
            }, null);
        }, node);
        graph.nodes.push(node);
      } else if (tag === 5) graph.initializers.push(nameIn(8));
      else if (tag === 11) graph.inputs.push(nameIn(1));
      else if (tag === 12) graph.outputs.push(nameIn(1));
    },
    null,
    end,
  );
  return graph;
}

function decodeModel(bytes: Uint8Array): { ir: number; opset: number; graph: Decoded } {
  const model = { ir: 0, opset: 0, graph: null as unknown as Decoded };
  const reader = new PbfReader(bytes);
  reader.readFields((tag) => {
    if (tag === 1) model.ir = reader.readVarint();
    else if (tag === 7) model.graph = decodeGraph(reader, reader.readVarint() + reader.pos);
    else if (tag === 8)
      reader.readMessage((field) => {
        if (field === 2) model.opset = reader.readVarint();
      }, null);
  }, null);
  return model;
}

/** The structural rules: single assignment over all graphs, definition before use, standard operators only. */
function checkStructure(graph: Decoded, visible: ReadonlySet<string>, assigned: Set<string>): void {
  const known = new Set(visible);
  const define = (name: string) => {
    expect(assigned.has(name), `${name} is assigned once`).toBe(false);
    assigned.add(name);
    known.add(name);
  };
  for (const name of [...graph.inputs, ...graph.initializers]) define(name);
  for (const node of graph.nodes) {
    expect(node.domain).toBe("");
    for (const name of node.inputs)
      if (name !== "") expect(known.has(name), `${node.op} reads ${name}, defined before`).toBe(true);
    for (const inner of node.graphs) checkStructure(inner, known, assigned);
    for (const name of node.outputs) define(name);
  }
  const produced = new Set(graph.nodes.flatMap((node) => node.outputs));
  for (const name of graph.outputs) expect(produced.has(name), `${name} is produced in its own graph`).toBe(true);
}

describe("toOnnx", () => {
  const step = (params: { w: Tensor; b: Tensor }, x: Tensor) => {
    const loss = (p: typeof params) => {
      const [h] = f.scan(
        (c: Tensor, row: Tensor) => {
          const next = f.cond(
            f.less(f.sum(c), 100),
            () => f.tanh(f.add(f.matmul(f.expandDims(f.mul(c, row), 0), p.w), p.b)),
            () => f.expandDims(c, 0),
          );
          return [f.reshape(next, [2]), []] as const;
        },
        f.tensor([0.1, 0.2]),
        x,
      );
      return f.sum(h);
    };
    const [value, slope] = f.valueAndGrad(loss)(params);
    return { loss: value, next: { w: f.sub(params.w, slope.w), b: params.b }, noise: f.normal(f.key(1), [2]) };
  };
  const args = [
    {
      w: f.tensor([
        [0.5, -1],
        [1, 0.25],
      ]),
      b: f.tensor([0.1, -0.1]),
    },
    f.tensor([
      [1, 2],
      [3, 4],
      [-1, 0.5],
    ]),
  ] as [{ w: Tensor; b: Tensor }, Tensor];

  it("keeps to the rules of the format, loops and branches included", () => {
    const { ir, opset, graph } = decodeModel(f.toOnnx(step, args));
    expect([ir, opset]).toEqual([10, 21]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(expect.arrayContaining(["Scan"]));
    checkStructure(graph, new Set(), new Set());
    expect(graph.outputs).toEqual(["output.loss", "output.next.w", "output.next.b", "output.noise"]);
  });

  // A GPU and a CPU round in different ways.
  it.skipIf(f.ownsMemory({}))(
    "runs in a plain runtime by the names it was given, and gives the same numbers",
    async () => {
      const compiled = f.compile(step);
      const bytes = f.toOnnx(compiled, args, {
        inputNames: ["weight", "bias", "rows"],
        outputNames: ["loss", "w", "b", "noise"],
      });
      const session = await InferenceSession.create(bytes);
      expect(session.inputNames).toEqual(["weight", "bias", "rows"]);
      const feed = (x: Tensor) => new OrtTensor("float32", x.data as Float32Array, x.shape);
      const plain = await session.run({ weight: feed(args[0].w), bias: feed(args[0].b), rows: feed(args[1]) });
      const own = await compiled(...args);
      expect(Array.from(plain.loss?.data as Float32Array)).toEqual(numbers(own.loss));
      expect(Array.from(plain.w?.data as Float32Array)).toEqual(numbers(own.next.w));
      expect(Array.from(plain.noise?.data as Float32Array)).toEqual(numbers(own.noise));
      await session.release();
    },
  );
});

describe("float16 storage", () => {
  it("rounds to nearest even and comes back", () => {
    // Exact, halfway cases to even, overflow, smallest normal and subnormal, underflow.
    const cases = [
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [65520, 0x7c00],
      [2 ** -14, 0x0400],
      [2 ** -24, 0x0001],
      [2 ** -26, 0],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [0.1, 0x2e66],
    ] as const;
    for (const [value, bits] of cases) expect(f.toFloat16Bits(value)).toBe(bits);
    expect(f.toFloat16Bits(Number.NaN) & 0x7c00).toBe(0x7c00);
    for (let bits = 0; bits < 0x7c00; bits += 7) expect(f.toFloat16Bits(f.fromFloat16Bits(bits))).toBe(bits);
  });

  it("goes through the runtime", async () => {
    const half = await f.evaluate(f.cast(f.tensor([0.1, -3]), "float16"));
    expect(half.data).toBeInstanceOf(Uint16Array);
    expect(f.toNested(await f.evaluate(f.cast(f.mul(half, 2), "float32")))).toEqual([0.199951171875, -6]);
  });
});
