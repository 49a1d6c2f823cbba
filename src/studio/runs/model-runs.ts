/** Runs of probes and conversions on models. */
import { join } from "node:path";
import { DEFAULT_CORPUS, loadCorpus, writeFileAtomic } from "../../data/index.ts";
import {
  corpusTokens,
  decoder,
  EMBEDDED_MODEL,
  loadPretrained,
  modelFolder,
  openText,
  type Pretrained,
  type Tokenizer,
} from "../../models/index.ts";
import { probeOf, probeSection, runProbe } from "../../probe/index.ts";
import { median, renderSections } from "../../report/index.ts";
import { type ModelFigures, measureModels } from "../../serve/index.ts";
import { convertModel } from "../../surgery/index.ts";
import type { ModelFiguresJson, RunRequest } from "../api.ts";
import { toJsonFigure } from "./json-figure.ts";
import type { FromWorker, WorkOrder } from "./messages.ts";
import type { Work } from "./work.ts";

type Request<K> = Extract<RunRequest, { readonly kind: K }>;

/** Tokens that a probe is given at most: on two cores each of them ends within minutes. */
const PROBE_TOKENS = 16_384;
/** Windows of validation text that score a model before and after. */
const WINDOWS = 16;
const PAGE = "report.html";

/** Opens a model that this server allows. Throws one sentence for another. */
async function openModel(
  name: string,
  { models }: WorkOrder,
): Promise<Pretrained & { readonly tokenizer: Tokenizer; readonly folder: string }> {
  const folder = Object.hasOwn(models, name) ? models[name] : name === EMBEDDED_MODEL ? modelFolder(name) : undefined;
  if (folder === undefined) throw new Error(`there is no model ${name} here`);
  const { tokenizer, ...model } = await loadPretrained(folder);
  if (!tokenizer) throw new Error(`model ${name}: there is no tokenizer.json in it, which cuts text into tokens`);
  return { ...model, tokenizer, folder };
}

const flagsOf = (settings: Readonly<Record<string, unknown>>, prefix = ""): string =>
  Object.entries(settings)
    .map(([name, value]) => ` --set ${prefix}${name}=${value}`)
    .join("");

/** Runs a probe on a model; its tables and pictures are told as figures, and written as a report. */
export async function doProbe(
  { order, signal, say }: Work,
  { model: name, probe, settings }: Request<"probe">,
): Promise<FromWorker> {
  const started = performance.now();
  const { model, params, tokenizer, folder } = await openModel(name, order);
  const text = await openText(undefined, "all", tokenizer, signal);
  try {
    const found = await runProbe(
      probe,
      {
        ...{ model, params, tokenizer, signal, text: text.text, tokens: PROBE_TOKENS },
        onProgress: (progress) => say({ kind: "progress", progress }),
      },
      settings,
    );
    signal.throwIfAborted();
    const command = `fourward probe ${name === EMBEDDED_MODEL ? name : folder} --probes ${probe} --tokens ${PROBE_TOKENS}${flagsOf(settings, `${probe}.`)}`;
    const section = probeSection(probe, found);
    for (const figure of section.figures) say({ kind: "figure", figure: toJsonFigure(figure) });
    for (const note of found.notes) say({ kind: "note", text: note });
    const page = renderSections({
      ...{ kicker: `Probe of ${name}`, title: name, text: `On at most ${PROBE_TOKENS.toLocaleString("en")} tokens.` },
      sections: [section],
      facts: [
        ["Command", command],
        ["Text", `${text.name} (${text.part}), SHA-256 ${text.hash}`],
      ],
      device: "cpu",
    });
    await writeFileAtomic(join(order.folder, PAGE), page);
    const { title, about, caution } = probeOf(probe);
    const seconds = (performance.now() - started) / 1000;
    return {
      kind: "done",
      outcome: { kind: "probe", title, about, caution, seconds, command },
      files: [PAGE],
    };
  } finally {
    text.close();
  }
}

/** Converts a model and measures it before and after. The converted model is not kept: the command makes it again. */
export async function doConversion(
  { order, signal, say }: Work,
  { model: name, method, settings }: Request<"convert">,
): Promise<FromWorker> {
  const started = performance.now();
  const onProgress = (progress: { readonly stage: string; readonly done: number; readonly total: number }) =>
    say({ kind: "progress", progress });
  const { model, params, tokenizer, folder } = await openModel(name, order);
  const text = await corpusTokens(await loadCorpus(DEFAULT_CORPUS), { tokenizer });
  try {
    const converted = await convertModel(method, { config: model.config, params }, settings, {
      ...{ text: text.train, signal, onProgress },
    });
    signal.throwIfAborted();
    const { before, after } = await measureModels(
      {
        before: { model, params, text: text.validation },
        after: { model: decoder(converted.config), params: converted.params, text: text.validation },
      },
      { context: model.config.context, windows: WINDOWS, signal, onProgress },
    );
    signal.throwIfAborted();
    const given = name === EMBEDDED_MODEL ? name : folder;
    return {
      kind: "done",
      outcome: {
        kind: "convert",
        ...{ before: figuresOf(before), after: figuresOf(after) },
        seconds: (performance.now() - started) / 1000,
        command: `fourward convert ${given} --with ${method} --out converted --windows ${WINDOWS}${flagsOf(settings)}`,
      },
      files: [],
    };
  } finally {
    text.close();
  }
}

const figuresOf = ({
  perplexity,
  loss,
  accuracy,
  parameters,
  flopsPerToken,
  weightBytesPerToken,
  decodeMs,
}: ModelFigures): ModelFiguresJson => ({
  ...{ perplexity, loss, accuracy, parameters, flopsPerToken, weightBytesPerToken },
  decodeMs: median(decodeMs),
});
