/** One request of a batch: how far it is, and the tokens that wait to be taken. */
import {
  type Penalties,
  penalize,
  probabilitiesOf,
  randomSource,
  sampleOnHost,
  type TokenProbability,
} from "./host-sampling.ts";
import { checkSampling, type SampleOptions } from "./sample.ts";

export interface BatchRequest extends SampleOptions, Penalties {
  /** Tokens to go on from, at least one and fewer than the model's context. */
  readonly prompt: readonly number[] | Int32Array;
  readonly maxTokens: number;
  readonly seed?: number;
  readonly stopTokens?: readonly number[];
  /** Also gives the probability of each token, and those of so many likeliest ones; none by default. */
  readonly logprobs?: number;
  /** Gives up the request and frees its row, once it is aborted. */
  readonly signal?: AbortSignal;
}

/** A new token; with its probability, before temperature and penalties, if that was asked for. */
export interface BatchToken {
  readonly token: number;
  readonly logprob?: number;
  readonly top?: readonly TokenProbability[];
}

/** Throws one sentence if the prompt or an option is wrong. */
export function checkRequest(
  request: BatchRequest,
  { context, vocabulary }: { readonly context: number; readonly vocabulary: number },
): void {
  const { prompt, maxTokens } = request;
  checkSampling(request);
  if (!Number.isInteger(maxTokens) || maxTokens < 1)
    throw new RangeError(`generate: maxTokens must be a whole number from 1, got ${maxTokens}`);
  if (prompt.length === 0 || prompt.length >= context)
    throw new RangeError(
      `generate: a prompt needs 1 to ${context - 1} tokens for a model with ${context} positions, got ${prompt.length}`,
    );
  const wrong = prompt.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabulary));
  if (wrong !== undefined)
    throw new RangeError(`generate: tokens are whole numbers from 0 to ${vocabulary - 1}, got ${wrong}`);
}

let made = 0;

export class Row {
  readonly request: BatchRequest;
  /** Later rows have higher numbers. */
  readonly order = made++;
  /** Tokens that have been read. */
  seen = 0;
  /** The token that is read next. */
  token = 0;
  readonly #random: () => number;
  readonly #chosen = new Map<number, number>();
  #given = 0;
  readonly #ready: BatchToken[] = [];
  #isOver = false;
  #failure: { readonly error: unknown } | null = null;
  #wake = (): void => {};
  /** Called when no further token comes. */
  onEnd = (): void => {};

  constructor(request: BatchRequest) {
    this.request = request;
    this.#random = randomSource(request.seed ?? Math.floor(Math.random() * 2 ** 32));
  }

  /** Whether a part of the prompt has not been read yet. */
  get isReading(): boolean {
    return this.seen < this.request.prompt.length;
  }

  /** What is read of the prompt next. */
  piece(longest: number): Int32Array {
    return Int32Array.from(this.request.prompt.slice(this.seen, this.seen + longest));
  }

  /** Chooses the next token and hands it out; true if it is the last one. */
  choose(logits: Float32Array): boolean {
    const { request } = this;
    const { stopTokens, logprobs, maxTokens } = request;
    // Probabilities are those of the model, before anything is taken off.
    const asModel = logprobs === undefined ? null : Float32Array.from(logits);
    penalize(logits, this.#chosen, request);
    this.token = sampleOnHost(logits, this.#random, request);
    if (stopTokens?.includes(this.token)) return true;
    this.#chosen.set(this.token, (this.#chosen.get(this.token) ?? 0) + 1);
    this.#given++;
    this.#ready.push(asModel ? probabilitiesOf(asModel, this.token, logprobs as number) : { token: this.token });
    this.#wake();
    return this.#given >= maxTokens;
  }

  end(): void {
    this.#isOver = true;
    this.onEnd();
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.end();
  }

  /** The tokens as they come. */
  async *tokens(): AsyncGenerator<BatchToken, void, undefined> {
    const { signal } = this.request;
    for (;;) {
      for (let next = this.#ready.shift(); next; next = this.#ready.shift()) {
        if (signal?.aborted) return;
        yield next;
      }
      if (this.#failure) throw this.#failure.error;
      if (this.#isOver) return;
      await new Promise<void>((done) => {
        this.#wake = done;
      });
    }
  }
}
