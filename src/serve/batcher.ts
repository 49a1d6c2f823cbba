/** Many requests on one model: rows of one batch that come and go while the others go on. */
import {
  broadcastTo,
  compile,
  evaluate,
  flatten,
  reshape,
  squeeze,
  sub,
  type Tensor,
  takeAlong,
  tensor,
  zerosLike,
} from "../array/index.ts";
import type { Decoder, DecoderParams, StackCache } from "../models/index.ts";
import { randomSource, sampleOnHost } from "./host-sampling.ts";
import { checkSampling, type SampleOptions } from "./sample.ts";

export interface BatcherOptions {
  /** Rows that are computed together; 8 by default. */
  readonly rows?: number;
  /** Requests that may wait for a row; 64 by default. */
  readonly queue?: number;
}

export interface BatchRequest extends SampleOptions {
  /** Tokens to go on from, at least one and fewer than the model's context. */
  readonly prompt: readonly number[] | Int32Array;
  readonly maxTokens: number;
  readonly seed?: number;
  readonly stopTokens?: readonly number[];
  /** Gives up the request and frees its row, once it is aborted. */
  readonly signal?: AbortSignal;
}

/** Thrown when as many requests wait as may. */
export class BusyError extends Error {
  override readonly name = "BusyError";
}

interface Row {
  readonly request: BatchRequest;
  readonly random: () => number;
  readonly emit: (token: number | null) => void;
  readonly fail: (error: unknown) => void;
  /** The token that is read next, and where. */
  token: number;
  seen: number;
  given: number;
}

type Step = (params: DecoderParams, tokens: Tensor, cache: StackCache, at: Tensor) => Promise<[Tensor, StackCache]>;

/**
 * Continuous batching: each row of the batch is a request at a place of its own. A free row takes the next waiting request,
 * reads its prompt, and joins the others at the next token; rows do not see each other.
 * Source: Yu et al. 2022 (Orca), "A Distributed Serving System for Transformer-Based Generative Models".
 */
export class Batcher {
  readonly #model: Decoder;
  readonly #params: DecoderParams;
  readonly #rows: (Row | null)[];
  readonly #waiting: Row[] = [];
  readonly #limit: number;
  readonly #prefill: Step;
  readonly #step: Step;
  #cache: StackCache | null = null;
  #loop: Promise<void> | null = null;

  constructor(model: Decoder, params: DecoderParams, { rows = 8, queue = 64 }: BatcherOptions = {}) {
    this.#model = model;
    this.#params = params;
    this.#rows = Array<Row | null>(rows).fill(null);
    this.#limit = queue;
    const vectorAt = (x: Tensor, place: Tensor): Tensor => {
      const width = x.shape[2] as number;
      return reshape(takeAlong(x, broadcastTo(reshape(place, [1, 1, 1]), [1, 1, width]), { axis: 1 }), [1, width]);
    };
    this.#prefill = compile((weights: DecoderParams, tokens: Tensor, cache: StackCache, length: Tensor) => {
      const [x, after] = model.extend(weights, tokens, cache, zerosLike(length));
      return [model.logits(weights, vectorAt(x, sub(length, 1))), after];
    }) as unknown as Step;
    this.#step = compile((weights: DecoderParams, tokens: Tensor, cache: StackCache, seen: Tensor) => {
      const [x, after] = model.extend(weights, tokens, cache, seen);
      return [model.logits(weights, squeeze(x, 1)), after];
    }) as unknown as Step;
  }

  /** Requests that are computed or wait. */
  get load(): number {
    return this.#rows.filter((row) => row !== null).length + this.#waiting.length;
  }

  /**
   * The tokens of a request, one by one. Throws `BusyError` at once if too many wait, and one sentence if the prompt or an
   * option is wrong. Ends at a stop token, at `maxTokens`, or at the end of the model's context.
   */
  async *generate(request: BatchRequest): AsyncGenerator<number, void, undefined> {
    const { context, vocabulary } = this.#model.config;
    const { prompt, maxTokens, signal } = request;
    checkSampling(request);
    if (!Number.isInteger(maxTokens) || maxTokens < 1)
      throw new RangeError(`generate: maxTokens must be a whole number from 1, got ${maxTokens}`);
    if (prompt.length === 0 || prompt.length >= context || prompt.some((token) => !(token >= 0 && token < vocabulary)))
      throw new RangeError(
        `generate: a prompt needs 1 to ${context - 1} tokens below ${vocabulary}, got ${prompt.length} tokens`,
      );
    if (this.#waiting.length >= this.#limit) throw new BusyError("too many requests are waiting; try again later");
    const ready: (number | null)[] = [];
    let failure: { readonly error: unknown } | null = null;
    let wake = (): void => {};
    const row: Row = {
      request,
      random: randomSource(request.seed ?? Math.floor(Math.random() * 2 ** 32)),
      emit: (token) => {
        ready.push(token);
        wake();
      },
      fail: (error) => {
        failure = { error };
        wake();
      },
      token: 0,
      seen: 0,
      given: 0,
    };
    this.#waiting.push(row);
    const leave = (): void => wake();
    signal?.addEventListener("abort", leave);
    this.#loop ??= this.#run().finally(() => {
      this.#loop = null;
    });
    try {
      for (;;) {
        while (ready.length > 0) {
          const token = ready.shift() as number | null;
          if (token === null) return;
          yield token;
        }
        if (failure) throw (failure as { error: unknown }).error;
        if (signal?.aborted) return;
        await new Promise<void>((done) => {
          wake = done;
        });
      }
    } finally {
      signal?.removeEventListener("abort", leave);
      this.#drop(row);
    }
  }

  /** Waits until no request is left. */
  async idle(): Promise<void> {
    while (this.#loop) await this.#loop;
  }

  #drop(row: Row): void {
    const place = this.#rows.indexOf(row);
    if (place >= 0) this.#rows[place] = null;
    const waiting = this.#waiting.indexOf(row);
    if (waiting >= 0) this.#waiting.splice(waiting, 1);
  }

  async #run(): Promise<void> {
    try {
      while (this.load > 0) {
        for (let place = 0; place < this.#rows.length && this.#waiting.length > 0; place++) {
          if (this.#rows[place] === null) await this.#admit(place, this.#waiting.shift() as Row);
        }
        await this.#advance();
        // Lets sockets and timers have their turn between two runs of the graph.
        await new Promise((done) => setImmediate(done));
      }
    } catch (error) {
      for (const row of [...this.#rows, ...this.#waiting]) row?.fail(error);
      this.#rows.fill(null);
      this.#waiting.length = 0;
    }
  }

  /** Reads a prompt and puts its keys and values into a row of the cache. */
  async #admit(place: number, row: Row): Promise<void> {
    if (row.request.signal?.aborted) return;
    const { prompt } = row.request;
    const { context } = this.#model.config;
    this.#rows[place] = row;
    const length = Math.min(context, 2 ** Math.ceil(Math.log2(prompt.length)));
    const tokens = new Int32Array(length);
    tokens.set(prompt);
    const single = await evaluate(this.#model.cache({ batch: 1, length: context }));
    const [logits, own] = await this.#prefill(
      this.#params,
      tensor(tokens, { shape: [1, length] }),
      single,
      tensor(Int32Array.of(prompt.length)),
    );
    this.#cache ??= await evaluate(this.#model.cache({ batch: this.#rows.length, length: context }));
    const from = flatten(own).leaves;
    flatten(this.#cache).leaves.forEach(({ data }, i) => {
      const source = (from[i] as Tensor).data as Float32Array;
      (data as Float32Array).set(source, place * source.length);
    });
    row.seen = prompt.length;
    this.#choose(row, logits.data as Float32Array);
  }

  /** One token further in every row. */
  async #advance(): Promise<void> {
    const rows = this.#rows;
    if (!this.#cache || rows.every((row) => row === null)) return;
    const [logits, cache] = await this.#step(
      this.#params,
      tensor(
        Int32Array.from(rows, (row) => row?.token ?? 0),
        { shape: [rows.length, 1] },
      ),
      this.#cache,
      tensor(Int32Array.from(rows, (row) => row?.seen ?? 0)),
    );
    this.#cache = cache;
    const vocabulary = logits.shape[1] as number;
    [...rows].forEach((row, place) => {
      if (!row) return;
      row.seen++;
      this.#choose(row, (logits.data as Float32Array).subarray(place * vocabulary, (place + 1) * vocabulary));
    });
  }

  #choose(row: Row, logits: Float32Array): void {
    const { request } = row;
    row.token = sampleOnHost(logits, row.random, request);
    const isStop = request.stopTokens?.includes(row.token) === true;
    if (!isStop) {
      row.given++;
      row.emit(row.token);
    }
    if (isStop || row.given >= request.maxTokens || row.seen >= this.#model.config.context) {
      row.emit(null);
      this.#drop(row);
    }
  }
}
