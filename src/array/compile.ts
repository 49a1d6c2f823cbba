/** From a traced function to one ONNX model and back to a function: `compile`, `evaluate`, `toOnnx`. */

import { runtime } from "#runtime";
import { frozenId } from "./frozen.ts";
import { hasNode, nodesOf, printGraph } from "./graph.ts";
import { findChannelBlock } from "./onnx/blocked.ts";
import { OnnxBuilder, type Target } from "./onnx/builder.ts";
import { encodeModel } from "./onnx/proto.ts";
import { type Profile, Recorder, recorder } from "./profile.ts";
import {
  checkDevice,
  type Device,
  hasOwnMemory,
  type Session,
  type SessionOptions,
  type Value,
} from "./runtime/runtime.ts";
import { showShape } from "./shape.ts";
import { simplify } from "./simplify.ts";
import {
  constantData,
  fromData,
  fromResident,
  type Graph,
  inNewScope,
  isPlaceholder,
  isResident,
  type Node,
  placeholder,
  residentData,
  type Tensor,
  type TensorType,
} from "./tensor.ts";
import { type Flat, flatten } from "./tree.ts";

export interface CompileOptions {
  /** Where to run; see `setDefaults`. */
  readonly device?: Device;
  /** Threads for one operation; by default as many as the machine has cores. */
  readonly threads?: number;
  /**
   * Dotted paths of parts of the result that stay in the device's memory, "" for all of it: a state that the next call
   * takes need not travel. Their `data` cannot be read; `await evaluate(x)` copies them, `dispose` frees them. Where the
   * device's memory is the host's, as on a CPU, nothing is different; tensors of float64, which no such device holds,
   * come to the host.
   */
  readonly resident?: readonly string[];
  /** Measure where the time of runs goes, for `Compiled.profile`. False by default; `profiled` measures everything. */
  readonly profile?: boolean;
}

let defaults: { device: Device; threads?: number } = { device: "cpu" };

/** Device and threads for everything that does not say otherwise. Throws on an unknown device. */
export function setDefaults({ device, threads }: { readonly device?: string; readonly threads?: number }): void {
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1)) {
    throw new RangeError(`threads: expected a whole number of at least 1, got ${threads}`);
  }
  defaults = {
    ...defaults,
    ...(device === undefined ? {} : { device: checkDevice(device) }),
    ...(threads === undefined ? {} : { threads }),
  };
}

/** Constants above this size are fed at each run (which copies nothing) unless an operator wants them in the model. */
const BAKED_BYTES = 4096;

/** A traced function, simplified; large constants that it captured have become inputs after the formal ones. */
interface Program<R> {
  readonly graph: Graph;
  readonly captured: readonly Tensor[];
  readonly result: Flat<R>;
}

function trace<R>(
  types: readonly TensorType[],
  names: readonly string[],
  fn: (inputs: readonly Tensor[]) => R,
): Program<R> {
  return inNewScope(() => {
    const inputs = types.map((type, i) => placeholder(type, names[i] as string));
    const returned = fn(inputs);
    const result = flatten(returned);
    if (result.leaves.length === 0)
      throw new TypeError(`compile: expected a function that returns at least one tensor, got ${showResult(returned)}`);
    const simple = simplify({ inputs, outputs: result.leaves });
    for (const node of nodesOf(simple.outputs)) {
      const x = node.outputs[0] as Tensor;
      if (isPlaceholder(x) && !simple.inputs.includes(x)) {
        throw new Error(
          "compile: a tensor of another trace is used; pass it as an argument (a compiled function cannot be called inside another)",
        );
      }
    }
    return { ...feedLargeConstants(simple), result };
  });
}

const showResult = (value: unknown): string => (typeof value === "object" ? JSON.stringify(value) : String(value));

/** The simplified graph that `compile` would run for these arguments, whose values need not be known. */
export function graphOf<A extends readonly unknown[]>(fn: (...args: A) => unknown, ...args: A): Graph {
  const { leaves, rebuild } = flatten(args);
  return trace(
    leaves,
    leaves.map((_, i) => `arg${i}`),
    (inputs) => fn(...(rebuild(inputs) as unknown as A)),
  ).graph;
}

function feedLargeConstants(graph: Graph): { graph: Graph; captured: readonly Tensor[] } {
  const nodes = nodesOf(graph.outputs);
  const stored = new Set(nodes.flatMap((node) => (node.rules.stores?.(node) ?? []).map((i) => node.inputs[i])));
  const captured = nodes.flatMap(({ outputs: [x] }) =>
    x && !stored.has(x) && (residentData(x) || (constantData(x)?.byteLength ?? 0) > BAKED_BYTES) ? [x] : [],
  );
  return { graph: { inputs: [...graph.inputs, ...captured], outputs: graph.outputs }, captured };
}

interface Model {
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, once it is known. */
  hash?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Something in it is float64. */
  readonly double: boolean;
  /** Outputs that stay on the device. */
  readonly resident: readonly string[];
  /** Operators that the CPU computes on every device, and on those without float16. */
  readonly onHost: readonly string[];
  readonly halves: readonly string[];
  /** The traced node that each operator comes from. */
  readonly origins: ReadonlyMap<string, Node<never>>;
}

/** Lowers a graph to a model file. Unused inputs are left out of it: their names are empty. */
function lower(
  graph: Graph,
  inputNames: readonly string[],
  outputNames: readonly string[],
  { resident = [], target }: { readonly resident?: readonly string[]; readonly target?: Partial<Target> } = {},
): Model {
  const builder = new OnnxBuilder(target);
  const used = new Set([...nodesOf(graph.outputs).flatMap((node) => node.inputs), ...graph.outputs]);
  const inputs = graph.inputs.map((x, i) => (used.has(x) ? (inputNames[i] ?? `captured.${i}`) : ""));
  const results = builder.emit(graph, inputs);
  const outputs = results.map((name, i) => builder.output(name, graph.outputs[i] as Tensor, outputNames[i] as string));
  const values = graph.inputs.flatMap(({ shape, dtype }, i) => (inputs[i] ? [{ name: inputs[i], shape, dtype }] : []));
  const double = [...used].some(({ dtype }) => dtype === "float64");
  return {
    bytes: encodeModel(builder.finish("fourward", values, outputs)),
    inputs,
    outputs: outputNames,
    double,
    resident,
    ...builder.hostNodes(),
    origins: builder.origins(),
  };
}

/** Sessions by device, threads and model, so that equal graphs share one; the one used last stands last. */
const sessions = new Map<string, { readonly session: Promise<Session>; readonly used: number }>();

/** Each session holds memory and threads. Beyond so many, those that were not used for so long are freed. */
const KEPT_SESSIONS = 8;
const IDLE_MS = 20_000;

function sessionOptions(options: CompileOptions): SessionOptions {
  const device = checkDevice(options.device ?? defaults.device);
  const threads = options.threads ?? defaults.threads;
  return { device, ...(threads === undefined ? {} : { threads }) };
}

/**
 * Whether graphs run on a device with memory of its own. There `resident` saves transfers, and `scan` is written out
 * step by step where that is short enough, since the runtime keeps what a loop carries in the host's memory.
 */
export const ownsMemory = (options: Pick<CompileOptions, "device">): boolean =>
  hasOwnMemory(checkDevice(options.device ?? defaults.device));

async function sessionFor(model: Model, options: CompileOptions, recorder?: Recorder): Promise<Session> {
  const wanted = sessionOptions(options);
  model.hash ??= await digest(model.bytes);
  const key = `${wanted.device} ${wanted.threads ?? "all"} ${model.hash} ${model.resident.join()}${recorder ? ` ${recorder.name}` : ""}`;
  const used = performance.now();
  let session = sessions.get(key)?.session;
  if (!session) {
    session = load(model, wanted, recorder);
    session.catch(() => sessions.delete(key));
    releaseIdle(used - IDLE_MS);
  }
  sessions.delete(key);
  sessions.set(key, { session, used });
  return session;
}

function load(
  { bytes, double, resident, onHost, halves, origins }: Model,
  options: SessionOptions,
  recorder?: Recorder,
): Promise<Session> {
  const session = runtime.load(bytes, {
    ...options,
    double,
    resident,
    onHost,
    halves,
    profile: recorder !== undefined,
  });
  recorder?.add(session, origins);
  return session;
}

/** Frees sessions beyond the number kept that were last used before `since`. A run that has begun still ends. */
function releaseIdle(since: number): void {
  for (const [key, { session, used }] of [...sessions].slice(0, Math.max(0, sessions.size - KEPT_SESSIONS))) {
    if (used > since) return;
    sessions.delete(key);
    session.then(
      (idle) => idle.release(),
      () => undefined,
    );
  }
}

async function digest(bytes: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(hash), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Frees every loaded model and its threads. Compiled functions load theirs again when they are called. */
export async function releaseSessions(): Promise<void> {
  const open = [...sessions.values()];
  sessions.clear();
  for (const { session } of open)
    await session.then(
      (s) => s.release(),
      () => undefined,
    );
}

interface Ready<R> {
  readonly model: Model;
  readonly program: Program<R>;
}

/** A traced function for one signature of its arguments. */
function traceFor<A extends readonly unknown[], R>(fn: (...args: A) => R, args: Flat<A>): Program<R> {
  const open = openPlaces(args.leaves);
  return trace(
    open.map((i) => args.leaves[i] as Tensor),
    open.map((i) => args.paths[i] as string),
    (inputs) => {
      const all = [...args.leaves];
      open.forEach((place, i) => {
        all[place] = inputs[i] as Tensor;
      });
      return fn(...args.rebuild(all));
    },
  );
}

/** The extent of blocks of channels in this process, once a graph has a convolution. */
let channelBlock: Promise<number> | undefined;

/** What is known of the runtime for the graph. */
async function targetFor(graph: Graph, options: CompileOptions): Promise<Partial<Target>> {
  const { device } = sessionOptions(options);
  const isConvolution = ({ rules }: Node<never>) => ["conv", "convWithBias", "convInputGradient"].includes(rules.name);
  const known = { unrolled: ownsMemory(options), fused: device === "cpu" };
  if (device !== "cpu" || !hasNode(graph, isConvolution)) return known;
  channelBlock ??= findChannelBlock(async (model, data, shape) => {
    const session = await runtime.load(model, { device, threads: 1 });
    const results = await session.run(new Map([["x", { data, shape, dtype: "float32" }]]));
    await session.release();
    return results.get("y")?.data as Float32Array;
  });
  return { ...known, channelBlock: await channelBlock };
}

/** A traced and lowered function for one signature of its arguments. */
async function prepare<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  args: Flat<A>,
  options: CompileOptions,
  measuring?: Recorder,
): Promise<Ready<R>> {
  const program = measuring ? measuring.tracing(() => traceFor(fn, args)) : traceFor(fn, args);
  const { resident = [] } = options;
  const { paths } = program.result;
  const outputNames = paths.map(outputName);
  // No device that a page or Node reaches holds float64.
  const stays = paths.filter(
    (path, i) =>
      program.result.leaves[i]?.dtype !== "float64" &&
      resident.some((part) => part === "" || `${path}.`.startsWith(`${part}.`)),
  );
  return {
    program,
    model: lower(
      program.graph,
      openPlaces(args.leaves).map((i) => `input.${args.paths[i]}`),
      outputNames,
      { resident: stays.map(outputName), target: await targetFor(program.graph, options) },
    ),
  };
}

const outputName = (path: string): string => (path === "" ? "output" : `output.${path}`);

/** Places of the arguments that are not part of the program. */
const openPlaces = (leaves: readonly Tensor[]): number[] =>
  leaves.flatMap((x, i) => (frozenId(x) === undefined ? [i] : []));

async function run<R>(session: Session, { model, program }: Ready<R>, leaves: readonly Tensor[]): Promise<R> {
  const feeds = new Map<string, Value>();
  const open = openPlaces(leaves).map((i) => leaves[i] as Tensor);
  [...open, ...program.captured].forEach((x, i) => {
    const name = model.inputs[i];
    if (name) feeds.set(name, { shape: x.shape, dtype: x.dtype, data: residentData(x) ?? x.data });
  });
  const results = await session.run(feeds);
  return program.result.rebuild(
    model.outputs.map((name, i) => {
      const { data } = results.get(name) as Value;
      const { shape, dtype } = program.result.leaves[i] as Tensor;
      return isResident(data) ? fromResident({ shape, dtype }, data) : fromData({ shape, dtype }, data);
    }),
  );
}

/** A compiled function: call it like the original, and await the result. */
export interface Compiled<A extends readonly unknown[], R> {
  (...args: A): Promise<R>;
  /** The simplified graph for these arguments as text, one node a line. */
  print(...args: A): string;
  /** Where the time of the runs so far went; ends the measurement. Rejects unless `profile` was asked for. */
  profile(): Promise<Profile>;
  /** The function that was compiled. */
  readonly original: (...args: A) => R;
}

/**
 * Compiles a function over tensors: at the first call with new shapes, types or static arguments (numbers, strings,
 * booleans) it is traced, simplified and lowered to one ONNX model; later calls only run that. Arguments and result are
 * trees of tensors. Nothing is updated in place: results are always new memory.
 */
export function compile<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  options: CompileOptions = {},
): Compiled<A, R> {
  if (typeof fn !== "function") throw new TypeError("compile: expected a function over tensors");
  const ready = new Map<string, Promise<Ready<R>>>();
  const own = options.profile ? new Recorder() : undefined;
  const call = async (...args: A): Promise<R> => {
    let flat = flatten(args);
    if (flat.leaves.some((x) => !isConcrete(x))) flat = flatten(await evaluate(args, options));
    const measuring = own ?? recorder();
    // What was traced while nobody measured does not know which lines it came from.
    const { device } = sessionOptions(options);
    const key = `${device} ${signature(flat)}${measuring ? ` ${measuring.name}` : ""}`;
    let entry = ready.get(key);
    if (!entry) {
      entry = prepare(fn, flat, options, measuring);
      ready.set(key, entry);
      entry.catch(() => ready.delete(key));
    }
    const prepared = await entry;
    return run(await sessionFor(prepared.model, options, measuring), prepared, flat.leaves);
  };
  const print = (...args: A): string => printGraph(traceFor(fn, flatten(args)).graph);
  const profile = async (): Promise<Profile> => {
    if (!own) throw new Error("profile: the function was compiled without profile: true");
    return own.end();
  };
  return Object.assign(call, { print, profile, original: fn });
}

const signature = ({ structure, leaves }: Flat<unknown>): string =>
  `${structure} ${leaves.map((x) => `${x.dtype}${showShape(x.shape)}${frozenId(x) ?? ""}`).join(" ")}`;

const isConcrete = (x: Tensor): boolean => constantData(x) !== null || residentData(x) !== null;

/** Frees the device's memory of the tensors in a tree that stay there (see `resident` of `compile`); no others have any. */
export function dispose(tree: unknown): void {
  for (const x of flatten(tree).leaves) residentData(x)?.release();
}

const moved = new WeakMap<object, Promise<unknown>>();

/**
 * The tree with its tensors in the device's memory, where that is the device's own: weights that many calls take need not
 * travel with each. A tree is copied once; its copy is freed when nobody has the tree any more. Left where they are:
 * symbolic and frozen tensors, and those of float64.
 */
export async function onDevice<T extends object>(tree: T, options: Pick<CompileOptions, "device"> = {}): Promise<T> {
  if (!ownsMemory(options)) return tree;
  const known = moved.get(tree);
  if (known) return known as Promise<T>;
  const flat = flatten(tree);
  const places = flat.leaves.flatMap((x, i) => (constantData(x) && frozenId(x) === undefined ? [i] : []));
  const copy = compile((xs: readonly Tensor[]) => xs, { ...options, resident: [""] });
  const copied = copy(places.map((i) => flat.leaves[i] as Tensor)).then((xs) => {
    const leaves = [...flat.leaves];
    places.forEach((place, i) => {
      leaves[place] = xs[i] as Tensor;
    });
    return flat.rebuild(leaves);
  });
  moved.set(tree, copied);
  copied.catch(() => moved.delete(tree));
  return copied;
}

/** The tree on the host, with every symbolic tensor computed. */
export async function evaluate<T>(tree: T, options: CompileOptions = {}): Promise<T> {
  const flat = flatten(tree);
  const onHost = await Promise.all(
    flat.leaves.map(async (x) => {
      const values = await residentData(x)?.fetch();
      return values ? fromData({ shape: x.shape, dtype: x.dtype }, values) : x;
    }),
  );
  const pending = flat.leaves.flatMap((x, i) => (isConcrete(x) ? [] : [i]));
  if (pending.length === 0) return flat.leaves.every((x, i) => x === onHost[i]) ? tree : flat.rebuild(onHost);
  const none = flatten<[]>([]);
  const measuring = recorder();
  const ready = await prepare(() => pending.map((i) => flat.leaves[i] as Tensor), none, options);
  // What depends on nothing, such as new parameters, has the same digits whatever the number of threads.
  const alone = ready.program.captured.length === 0;
  // Such a graph is hardly ever met again, so its session is not kept.
  const session = await load(ready.model, { ...sessionOptions(options), alone, once: true }, measuring);
  const values = await run(session, ready, []).finally(() => session.release());
  const leaves = [...onHost];
  pending.forEach((place, i) => {
    leaves[place] = values[i] as Tensor;
  });
  return flat.rebuild(leaves);
}

export interface OnnxOptions {
  /** Names of the model's inputs, one for each tensor of the arguments; by default their dotted paths. */
  readonly inputNames?: readonly string[];
  /** Names of the outputs; by default `output` and dotted paths below it. */
  readonly outputNames?: readonly string[];
}

/**
 * The ONNX model (opset 21) of a function for arguments of these shapes: it runs in any ONNX runtime, with one named
 * input for each tensor of `args` and one output for each tensor of the result. Large captured tensors are stored in it.
 */
export function toOnnx<A extends readonly unknown[], R>(
  fn: ((...args: A) => R) | Compiled<A, R>,
  args: A,
  { inputNames, outputNames }: OnnxOptions = {},
): Uint8Array {
  const original = "original" in fn ? fn.original : fn;
  const flat = flatten(args);
  const names = inputNames ?? flat.paths;
  if (names.length !== flat.leaves.length)
    throw new RangeError(`toOnnx: expected ${flat.leaves.length} inputNames, got ${names.length}`);
  const { graph, captured, result } = trace(flat.leaves, names, (inputs) => original(...flat.rebuild(inputs)));
  const resultNames = outputNames ?? result.paths.map(outputName);
  if (resultNames.length !== result.leaves.length)
    throw new RangeError(`toOnnx: expected ${result.leaves.length} outputNames, got ${resultNames.length}`);
  const inputs = graph.inputs.slice(0, graph.inputs.length - captured.length);
  return lower({ inputs, outputs: graph.outputs }, names, resultNames).bytes;
}
