/** Labelled images in memory, and batches of them that are a pure function of seed and step. */
import { type Availability, checkDataFiles, loadDataFile } from "./cache.ts";
import type { DownloadOptions } from "./download.ts";
import { mix } from "./hash.ts";
import { parseIdx } from "./idx.ts";
import { type ImageSetName, type ImageSource, imageSources } from "./sources.ts";

/** Which images: those to train on, those held out of them for choosing between models, or the published test set. */
export type Split = "train" | "validation" | "test";

/** Labelled images. Pixels are bytes in the order image, row, column, channel. */
export interface Images {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Which images to load, and how to fetch files that are not on this machine. */
export interface LoadImagesOptions extends DownloadOptions {
  readonly split: Split;
  /** Loads only the first so many images of the split. */
  readonly limit?: number;
  /**
   * How many images are held out of the published training files; a tenth of them by default, so MNIST splits into
   * 54,000 and 6,000. They are always the last ones in file order, whatever the seed: every study and every run
   * validates on the same images. With 0, `train` is the whole of the training files.
   */
  readonly validation?: number;
}

/**
 * Loads a split of an image data set from this machine, or downloads it first (see `loadDataFile` for the order).
 * Throws one sentence if it cannot be had, is damaged, or `limit` or `validation` do not fit it.
 */
export async function loadImages(name: ImageSetName, options: LoadImagesOptions): Promise<Images> {
  return loadImageSource(sourceOf(name), options);
}

/** Whether a split can be loaded without a download, so that a study can skip it with a plain line. */
export function available(name: ImageSetName, split: Split): Availability {
  const { images, labels } = sourceOf(name)[split === "test" ? "test" : "train"];
  return checkDataFiles(sourceOf(name), [images, labels]);
}

function sourceOf(name: string): ImageSource {
  const source = (imageSources as Readonly<Record<string, ImageSource>>)[name];
  if (!source) throw new Error(`unknown image data set "${name}"; there are ${Object.keys(imageSources).join(", ")}`);
  return source;
}

/** `loadImages` for a source that is not one of the built-in ones. */
export async function loadImageSource(source: ImageSource, options: LoadImagesOptions): Promise<Images> {
  const files = source[options.split === "test" ? "test" : "train"];
  const pixels = parseIdx(await loadDataFile(source, files.images, options), files.images.name);
  const labels = parseIdx(await loadDataFile(source, files.labels, options), files.labels.name);
  const [total = 0, height = 0, width = 0, channels = 1] = pixels.shape;
  if (!(pixels.data instanceof Uint8Array && labels.data instanceof Uint8Array) || labels.data.length !== total) {
    throw new Error(
      `${source.name}: expected one byte label for each image of bytes, got ${labels.dtype}[${labels.shape}] for ${pixels.dtype}[${pixels.shape}]`,
    );
  }
  const [from, to] = splitRange(source.name, total, options);
  const size = height * width * channels;
  return {
    images: pixels.data.subarray(from * size, to * size),
    labels: labels.data.subarray(from, to),
    count: to - from,
    height,
    width,
    channels,
  };
}

/** First and last + 1 image of a split among the `total` in its files. */
function splitRange(name: string, total: number, { split, limit, validation }: LoadImagesOptions): [number, number] {
  const held = split === "test" ? 0 : (validation ?? Math.floor(total / 10));
  if (!(Number.isInteger(held) && held >= 0 && held <= total)) {
    throw new Error(`${name}: validation must be a whole number from 0 to ${total} images, got ${held}`);
  }
  const [from, to] = split === "validation" ? [total - held, total] : [0, total - held];
  const count = limit ?? to - from;
  if (!(Number.isInteger(count) && count >= 1 && count <= to - from)) {
    throw new Error(`${name}: expected from 1 to ${to - from} images of the ${split} split, got a limit of ${count}`);
  }
  return [from, from + count];
}

/**
 * How bytes become numbers. `range`: 0 maps to its first and 255 to its second number. `mean` and `std`: the byte is
 * first divided by 255, then the mean is subtracted and the result divided by the standard deviation, both on the scale
 * from 0 to 1 as `pixelStatistics` gives them.
 */
export type Normalization =
  | { readonly range: readonly [number, number] }
  | { readonly mean: number; readonly std: number };

/** Mean and standard deviation of all pixels, on the scale from 0 to 1. MNIST's training images: 0.1307 and 0.3081. */
export function pixelStatistics({ images }: Images): { mean: number; std: number } {
  // A histogram keeps the sums exact.
  const counts = new Float64Array(256);
  for (let i = 0; i < images.length; i++) (counts[images[i] as number] as number)++;
  let sum = 0;
  let squares = 0;
  counts.forEach((count, byte) => {
    sum += count * byte;
    squares += count * byte * byte;
  });
  const mean = sum / images.length;
  return { mean: mean / 255, std: Math.sqrt(squares / images.length - mean * mean) / 255 };
}

/** The 256 values that bytes turn into. */
function valueTable(normalize: Normalization): Float32Array {
  const [low, high] =
    "range" in normalize ? normalize.range : [-normalize.mean / normalize.std, (1 - normalize.mean) / normalize.std];
  if (!(Number.isFinite(low) && Number.isFinite(high))) {
    throw new Error(`normalize: expected finite numbers and a std above 0, got ${JSON.stringify(normalize)}`);
  }
  return Float32Array.from({ length: 256 }, (_, byte) => low + ((high - low) * byte) / 255);
}

/** Numbers of a run of images in file order, `[count, height * width * channels]` flat, e.g. to evaluate on. */
export function normalizeImages(
  data: Images,
  options: { readonly normalize?: Normalization; readonly start?: number; readonly count?: number } = {},
): Float32Array {
  const { normalize = { range: [0, 1] }, start = 0, count = data.count - start } = options;
  if (!(start >= 0 && count >= 0 && start + count <= data.count)) {
    throw new Error(
      `normalizeImages: images ${start} to ${start + count} are not all among the ${data.count} there are`,
    );
  }
  const size = data.height * data.width * data.channels;
  const values = new Float32Array(count * size);
  const table = valueTable(normalize);
  lookUp(table, data.images, start * size, values, 0, values.length);
  return values;
}

/** A function of its own, because the compiler makes a tight loop of it only where all arrays are local. */
function lookUp(table: Float32Array, bytes: Uint8Array, from: number, out: Float32Array, to: number, length: number) {
  for (let i = 0; i < length; i++) out[to + i] = table[bytes[from + i] as number] as number;
}

/** Images and labels of consecutive steps: `[steps, batch, height * width * channels]` and `[steps, batch]`, flat. */
export interface ImageBatch {
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** An endless sequence of batches. */
export interface ImageBatches {
  /** Batches in an epoch. The images left over by an incomplete last batch are other ones in every epoch. */
  readonly stepsPerEpoch: number;
  /**
   * The batch of `step` (from 0), or of `steps` consecutive steps stacked. `into` is an earlier batch of the same size
   * that nobody reads any more: its arrays are filled again, which halves the time (new memory is slow to touch).
   */
  at(step: number, steps?: number, into?: ImageBatch): ImageBatch;
}

/**
 * Shuffled batches, without state: batch `step` depends on nothing but the images, `batch`, `seed` and `step`, so a
 * resumed run sees what an unbroken one would have. Epoch `step / stepsPerEpoch` visits the images in the order
 * `permutation(count, seed, epoch)`, none twice.
 */
export function imageBatches(
  data: Images,
  options: { readonly batch: number; readonly seed: number; readonly normalize?: Normalization },
): ImageBatches {
  const { batch, seed, normalize = { range: [0, 1] } } = options;
  if (!(Number.isInteger(batch) && batch >= 1 && batch <= data.count)) {
    throw new Error(`imageBatches: batch must be a whole number from 1 to the ${data.count} images, got ${batch}`);
  }
  const size = data.height * data.width * data.channels;
  const table = valueTable(normalize);
  const stepsPerEpoch = Math.floor(data.count / batch);
  let order = permutation(data.count, seed, 0);
  let orderEpoch = 0;
  return {
    stepsPerEpoch,
    at(step, steps = 1, into) {
      if (!(Number.isSafeInteger(step) && step >= 0 && Number.isSafeInteger(steps) && steps >= 1)) {
        throw new Error(
          `imageBatches: step must be a whole number from 0 and steps one from 1, got ${step} and ${steps}`,
        );
      }
      const images = into?.images ?? new Float32Array(steps * batch * size);
      const labels = into?.labels ?? new Int32Array(steps * batch);
      if (images.length !== steps * batch * size || labels.length !== steps * batch) {
        throw new Error(`imageBatches: into holds ${labels.length} images, expected ${steps} x ${batch} to fill again`);
      }
      for (let k = 0; k < steps; k++) {
        const epoch = Math.floor((step + k) / stepsPerEpoch);
        if (epoch !== orderEpoch) order = permutation(data.count, seed, epoch);
        orderEpoch = epoch;
        const first = ((step + k) % stepsPerEpoch) * batch;
        for (let b = 0; b < batch; b++) {
          const image = order[first + b] as number;
          labels[k * batch + b] = data.labels[image] as number;
          lookUp(table, data.images, image * size, images, (k * batch + b) * size, size);
        }
      }
      return { images, labels };
    },
  };
}

/**
 * The numbers 0 ... count - 1 in the random order of an epoch: Fisher-Yates from the end, where place `i` is exchanged
 * with place `floor(u * (i + 1))` and `u` is a 32-bit hash of `i` under two keys made from `seed` (a safe integer) and
 * `epoch`, divided by 2^32. The same on every machine; the bias of `floor` is below `count / 2^32`.
 */
export function permutation(count: number, seed: number, epoch: number): Uint32Array {
  if (!Number.isSafeInteger(seed)) throw new Error(`permutation: seed must be a whole number within 2^53, got ${seed}`);
  const low = mix(seed | 0);
  const high = mix(low ^ Math.floor(seed / 2 ** 32));
  const first = mix(high ^ epoch);
  const second = mix(first ^ low ^ 0x5bd1e995);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(((mix(mix(i + first) ^ second) >>> 0) / 2 ** 32) * (i + 1));
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  return order;
}
