/** `fourward reduce` */
import { compile, setDefaults, type Tensor, tensor } from "../array/index.ts";
import { encodeNpy, permutation, writeFileAtomic } from "../data/index.ts";
import { writeSafetensors } from "../models/index.ts";
import {
  compareReductions,
  type Reduction,
  type ReductionScore,
  reductionFamily,
  reductionMethods,
} from "../probe/index.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";
import { ProgressLine } from "./progress.ts";
import { readVectors } from "./read-vectors.ts";
import { columns } from "./text.ts";

export interface ReduceFlags {
  readonly tensor?: string;
  readonly field?: string;
  readonly methods?: readonly string[];
  readonly sizes?: readonly number[];
  readonly neighbors: number;
  readonly queries: number;
  readonly among: number;
  readonly with?: string;
  readonly size?: number;
  readonly out?: string;
  readonly seed: number;
  readonly device: string;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Rows that are reduced at once when a file is written. */
const PIECE = 65_536;

/** Says what reductions leave of a search in the vectors of a file, and writes one of them if it is asked to. */
export async function reduce(path: string, flags: ReduceFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const wanted = writing(flags);
  const all = await readVectors(path, {
    ...(flags.tensor === undefined ? {} : { tensor: flags.tensor }),
    ...(flags.field === undefined ? {} : { field: flags.field }),
  });
  const [count, width] = all.shape as [number, number];
  const { vectors, queries } = sampled(path, all, flags);
  const methods = wanted ? [wanted.with] : (flags.methods ?? Object.keys(reductionMethods));
  const sizes = wanted ? [wanted.size] : (flags.sizes ?? defaultSizes(width));
  const tooLarge = sizes.find((size) => size > width);
  if (tooLarge !== undefined)
    throw new Error(`reduce ${path}: size ${tooLarge} is more than the ${width} numbers of a vector`);
  const line = new ProgressLine();
  const interrupts = listenForInterrupts(() => process.stderr.write("stopping\n"));
  try {
    const scores = await compareReductions({
      vectors,
      queries,
      methods,
      sizes,
      neighbors: flags.neighbors,
      seed: flags.seed,
      signal: interrupts.signal,
      onProgress: (done, total) => {
        if (!flags.quiet && !interrupts.signal.aborted)
          line.update({ stage: "reducing and searching", done, total, unit: "searches" });
      },
    });
    line.end();
    if (wanted) {
      const family = await reductionFamily(wanted.with, vectors, { seed: flags.seed });
      await write(path, all, family.to(wanted.size), wanted, flags.seed);
    }
    const result = {
      file: path,
      count,
      width,
      searched: vectors.shape[0],
      queries: queries.shape[0],
      neighbors: flags.neighbors,
      seed: flags.seed,
      scores,
      ...(wanted ? { written: wanted.out } : {}),
    };
    process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : resultText(result, sizes));
  } catch (error) {
    line.end();
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
  } finally {
    interrupts.release();
  }
}

interface Writing {
  readonly with: string;
  readonly size: number;
  readonly out: string;
}

/** What is to be written, if anything; throws if a part of it is missing. */
function writing({ with: method, size, out, methods, sizes }: ReduceFlags): Writing | null {
  if (method === undefined && size === undefined && out === undefined) return null;
  if (method === undefined || size === undefined || out === undefined)
    throw new Error("reduce: --with, --size and --out go together: they name the reduction that is written, and where");
  if (methods || sizes)
    throw new Error("reduce: --methods and --sizes compare, --with and --size write; give one pair");
  if (!/\.(npy|safetensors)$/i.test(out))
    throw new Error(`reduce: expected --out to end with .npy or .safetensors, got ${out}`);
  return { with: method, size, out };
}

const defaultSizes = (width: number): readonly number[] => [
  ...new Set([2, 4, 8].map((divisor) => Math.max(1, Math.round(width / divisor)))),
];

/** Vectors that are searched and others that are searched for, drawn by the seed. */
function sampled(path: string, all: Tensor, { among, queries: asked, neighbors, seed }: ReduceFlags) {
  const [count, width] = all.shape as [number, number];
  const order = permutation(count, seed, 0);
  const queries = Math.min(asked, Math.floor(count / 10));
  const found = Math.min(among, count - queries);
  if (queries < 1 || found < neighbors)
    throw new Error(
      `reduce ${path}: ${count} vectors are too few: a tenth of them at most are queries, and the others must be at least the ${neighbors} neighbours`,
    );
  const pick = (from: number, to: number): Tensor => {
    const data = new Float32Array((to - from) * width);
    for (let i = from; i < to; i++) {
      const row = order[i] as number;
      data.set((all.data as Float32Array).subarray(row * width, (row + 1) * width), (i - from) * width);
    }
    return tensor(data, { shape: [to - from, width] });
  };
  return { queries: pick(0, queries), vectors: pick(queries, queries + found) };
}

/** Writes all vectors reduced, and with them the matrix, through which queries must go too. */
async function write(
  path: string,
  all: Tensor,
  reduction: Reduction,
  { with: method, size, out }: Writing,
  seed: number,
) {
  const [count, width] = all.shape as [number, number];
  const data = new Float32Array(count * size);
  const apply = compile(reduction.apply);
  for (let start = 0; start < count; start += PIECE) {
    const rows = Math.min(PIECE, count - start);
    const some = (all.data as Float32Array).subarray(start * width, (start + rows) * width);
    data.set((await apply(tensor(some, { shape: [rows, width] }))).data as Float32Array, start * size);
  }
  if (/\.npy$/i.test(out)) return writeFileAtomic(out, encodeNpy({ shape: [count, size], data }));
  return writeSafetensors(
    out,
    {
      vectors: { dtype: "F32", shape: [count, size], data },
      ...(reduction.matrix
        ? { matrix: { dtype: "F32", shape: [width, size], data: reduction.matrix.data as Float32Array } }
        : {}),
    },
    { reduction: method, inputs: `${width}`, size: `${size}`, seed: `${seed}`, source: path },
  );
}

interface Shown {
  readonly file: string;
  readonly count: number;
  readonly width: number;
  readonly searched: number | undefined;
  readonly queries: number | undefined;
  readonly neighbors: number;
  readonly scores: readonly ReductionScore[];
  readonly written?: string;
}

function resultText(result: Shown, sizes: readonly number[]): string {
  const { file, count, width, searched = 0, queries = 0, neighbors, scores, written } = result;
  const names = [...new Set(scores.map(({ method }) => method))];
  const cells = (method: string, show: (score: ReductionScore) => string) =>
    sizes.map((size) => {
      const score = scores.find((each) => each.method === method && each.size === size);
      return score ? show(score) : "-";
    });
  const head = ["", ...sizes.map((size) => `recall, ${size}`), ...sizes.map((size) => `Spearman, ${size}`), ""];
  const rows = names.map((method) => [
    method,
    ...cells(method, ({ recall }) => `${(100 * recall).toFixed(1)} %`),
    ...cells(method, ({ spearman }) => spearman.toFixed(3)),
    (reductionMethods as Readonly<Record<string, { readonly about: string }>>)[method]?.about ?? "",
  ]);
  const bytes = (numbers: number): string => `${((4 * count * numbers) / 1e6).toFixed(1)} MB`;
  return [
    `${file}: ${count.toLocaleString("en")} vectors of ${width}, ${bytes(width)} as float32; of ${sizes.map((size) => `${size}: ${bytes(size)}`).join(", ")}`,
    `recall: how many of the ${neighbors} nearest by cosine are still found, ${queries.toLocaleString("en")} queries among ${searched.toLocaleString("en")} vectors; Spearman: of cosines before and after`,
    "",
    columns([head, ...rows], { align: ["left", ...sizes.flatMap((): ("right" | "left")[] => ["right", "right"])] }),
    ...(written === undefined ? [] : ["", `written ${written}; queries must go through the same reduction`]),
    "",
  ].join("\n");
}
