/** Many requests on one model: rows of one batch that come and go while the others go on. */
import { nextTurn } from "#platform";
import { compile, onDevice, type Tensor, tensor } from "../array/index.ts";
import type { Decoder, DecoderParams, StackCache } from "../models/index.ts";
import { type BatchRequest, type BatchToken, checkRequest, Row } from "./batch-row.ts";
import { RowCaches } from "./row-caches.ts";
import { LONGEST_PIECE, padded, paddedLength, readPiece, readToken } from "./steps.ts";

export interface BatcherOptions {
  /** Rows that are computed together; 8 by default. */
  readonly rows?: number;
  /** Requests that may wait for a row; 64 by default. */
  readonly queue?: number;
}

/** Thrown when as many requests wait as may. */
export class BusyError extends Error {
  override readonly name = "BusyError";
}

/** Tokens of prompts that are read in one run at most: those who listen to other rows wait for it. */
const READ_AT_ONCE = 2048;

type Result = Promise<readonly [logits: Tensor, fresh: StackCache]>;

/** What is computed of a model, by how much a row has behind it: nothing, a piece of its prompt, or all of it. */
interface Graphs {
  first(params: DecoderParams, tokens: Tensor, lengths: Tensor): Result;
  piece(params: DecoderParams, tokens: Tensor, lengths: Tensor, cache: StackCache, seen: Tensor): Result;
  next(params: DecoderParams, tokens: Tensor, cache: StackCache, seen: Tensor): Result;
}

/**
 * Continuous batching: each row of the batch is a request at a place of its own. Free rows take the next waiting requests,
 * whose prompts are read together, long ones in pieces between the tokens of the others; rows do not see each other.
 * Source: Yu et al. 2022 (Orca), "A Distributed Serving System for Transformer-Based Generative Models"; pieces of
 * prompts: Agrawal et al. 2024 (Sarathi-Serve), arXiv:2403.02310.
 */
export class Batcher {
  readonly #model: Decoder;
  readonly #params: DecoderParams;
  readonly #rows: (Row | null)[];
  readonly #waiting: Row[] = [];
  readonly #limit: number;
  readonly #graphs: Graphs;
  readonly #caches: RowCaches;
  #loop: Promise<void> | null = null;

  constructor(model: Decoder, params: DecoderParams, { rows = 8, queue = 64 }: BatcherOptions = {}) {
    this.#model = model;
    this.#params = params;
    this.#rows = Array<Row | null>(rows).fill(null);
    this.#limit = queue;
    this.#caches = new RowCaches(model.cache, { rows, longest: model.config.context });
    this.#graphs = graphsOf(model);
  }

  /** Requests that are computed. */
  get running(): number {
    return this.#rows.filter((row) => row !== null).length;
  }

  /** Requests that wait for a row. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Requests that may still come before the next one is refused. */
  get room(): number {
    return this.#limit - this.#waiting.length + (this.#rows.length - this.running);
  }

  /**
   * The tokens of a request, one by one. The request waits from this call on. Throws `BusyError` at once if too many do,
   * and one sentence if the prompt or an option is wrong. Ends at a stop token, at `maxTokens`, at the end of the model's
   * context, or when it is aborted; the row is free from that moment on, also if nobody asks for what is left.
   */
  generate(request: BatchRequest): AsyncGenerator<BatchToken, void, undefined> {
    checkRequest(request, this.#model.config);
    if (this.room <= 0) throw new BusyError("too many requests are waiting; try again later");
    const row = new Row(request);
    if (request.signal?.aborted) {
      row.end();
      return row.tokens();
    }
    return this.#follow(row);
  }

  #follow(row: Row): AsyncGenerator<BatchToken, void, undefined> {
    const { signal } = row.request;
    const leave = (): void => {
      this.#drop(row);
      row.end();
    };
    signal?.addEventListener("abort", leave, { once: true });
    row.onEnd = () => signal?.removeEventListener("abort", leave);
    this.#waiting.push(row);
    this.#loop ??= this.#run().finally(() => {
      this.#loop = null;
    });
    const tokens = row.tokens();
    const drop = (): void => this.#drop(row);
    return (async function* () {
      try {
        yield* tokens;
      } finally {
        drop();
      }
    })();
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
      while (this.running + this.waiting > 0) {
        this.#admit();
        await this.#read();
        await this.#advance();
        // Lets sockets and timers have their turn between two runs of the graph.
        await nextTurn();
      }
    } catch (error) {
      for (const row of [...this.#rows, ...this.#waiting]) row?.fail(error);
      this.#rows.fill(null);
      this.#waiting.length = 0;
    }
  }

  #admit(): void {
    this.#rows.forEach((row, place) => {
      if (row === null) this.#rows[place] = this.#waiting.shift() ?? null;
    });
  }

  /** Reads the next piece of the prompt of the oldest row that is not done, together with others that are as far. */
  async #read(): Promise<void> {
    const pending = this.#rows.filter((row) => row?.isReading).sort((a, b) => (a as Row).order - (b as Row).order);
    const oldest = pending[0];
    if (!oldest) return;
    const { context } = this.#model.config;
    const from = oldest.seen;
    const lengthOf = (row: Row) => paddedLength(row.piece(LONGEST_PIECE).length, context - from);
    const length = lengthOf(oldest);
    const together =
      from > 0
        ? [oldest]
        : pending
            .filter((row): row is Row => row?.seen === 0 && lengthOf(row) === length)
            .slice(0, Math.max(1, Math.floor(READ_AT_ONCE / length)));
    const pieces = together.map((row) => row.piece(LONGEST_PIECE));
    const count = from > 0 ? 1 : this.#roundUp(together.length);
    const tokens = tensor(padded(pieces, length, count * length), { shape: [count, length] });
    const lengths = tensor(Int32Array.from({ length: count }, (_, i) => pieces[i]?.length ?? 1));
    this.#fit(...together.map((row, i) => row.seen + (pieces[i] as Int32Array).length));
    const [logits, fresh] = await (from > 0
      ? this.#graphs.piece(
          await onDevice(this.#params),
          tokens,
          lengths,
          this.#caches.view(1, this.#rows.indexOf(oldest)),
          tensor(Int32Array.of(from)),
        )
      : this.#graphs.first(await onDevice(this.#params), tokens, lengths));
    together.forEach((row, i) => {
      const place = this.#rows.indexOf(row);
      if (place < 0) return;
      const read = (pieces[i] as Int32Array).length;
      this.#caches.write(fresh, i, place, row.seen, read);
      row.seen += read;
      if (!row.isReading) this.#choose(row, rowOf(logits, i));
    });
  }

  /** One token further in every row whose prompt is read. */
  async #advance(): Promise<void> {
    if (!this.#rows.some((row) => row && !row.isReading)) return;
    this.#moveTogether();
    this.#fit();
    const going = this.#rows.map((row) => (row?.isReading ? null : row));
    const count = this.#roundUp(going.findLastIndex((row) => row !== null) + 1);
    const rows = going.slice(0, count);
    const [logits, fresh] = await this.#graphs.next(
      await onDevice(this.#params),
      tensor(
        Int32Array.from(rows, (row) => row?.token ?? 0),
        { shape: [count, 1] },
      ),
      this.#caches.view(count),
      tensor(Int32Array.from(rows, (row) => row?.seen ?? 0)),
    );
    rows.forEach((row, place) => {
      // It may have left while it was computed.
      if (!row || this.#rows[place] !== row) return;
      this.#caches.write(fresh, place, place, row.seen, 1);
      row.seen++;
      this.#choose(row, rowOf(logits, place));
    });
  }

  /** Numbers of rows are powers of two, so that few graphs serve all. */
  #roundUp(count: number): number {
    return Math.min(this.#rows.length, 2 ** Math.ceil(Math.log2(count)));
  }

  /** Makes room in the caches for one more position in all rows, and for so many. */
  #fit(...more: readonly number[]): void {
    this.#caches.fit(Math.max(...this.#rows.map((row) => (row?.seen ?? 0) + 1), ...more));
  }

  /** Moves the last rows into free places before them where fewer rows can be computed then. */
  #moveTogether(): void {
    for (;;) {
      const last = this.#rows.findLastIndex((row) => row !== null);
      const free = this.#rows.indexOf(null);
      if (free < 0 || free > last || this.#roundUp(last + 1) === this.#roundUp(this.running)) return;
      const row = this.#rows[last] as Row;
      this.#caches.move(last, free, row.seen);
      [this.#rows[free], this.#rows[last]] = [row, null];
    }
  }

  #choose(row: Row, logits: Float32Array): void {
    if (row.choose(logits) || row.seen >= this.#model.config.context) {
      row.end();
      this.#drop(row);
    }
  }
}

const rowOf = ({ data, shape }: Tensor, row: number): Float32Array => {
  const vocabulary = shape[1] as number;
  return (data as Float32Array).subarray(row * vocabulary, (row + 1) * vocabulary);
};

const graphsOf = (model: Decoder): Graphs => ({
  first: compile((params: DecoderParams, tokens: Tensor, lengths: Tensor) => {
    const [vectors, fresh] = readPiece(model, params, tokens, lengths);
    return [model.logits(params, vectors), fresh] as const;
  }),
  piece: compile((params: DecoderParams, tokens: Tensor, lengths: Tensor, cache: StackCache, seen: Tensor) => {
    const [vectors, fresh] = readPiece(model, params, tokens, lengths, { cache, seen });
    return [model.logits(params, vectors), fresh] as const;
  }),
  next: compile((params: DecoderParams, tokens: Tensor, cache: StackCache, seen: Tensor) => {
    const [vectors, fresh] = readToken(model, params, tokens, cache, seen);
    return [model.logits(params, vectors), fresh] as const;
  }),
});
