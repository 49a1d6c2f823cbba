/** The probes by name, as the command line and reports have them. */
import { z } from "zod";
import { checked } from "../data/checked.ts";
import type { TokenFile } from "../data/index.ts";
import type { Decoder, DecoderParams, TensorToWrite, Tokenizer } from "../models/index.ts";
import type { Figure, ReportSection, StudyProgress, Table } from "../report/index.ts";
import { probeGeometry } from "./geometry-probe.ts";
import { probeNeurons } from "./neurons-probe.ts";
import { probeSpectra, spectrumPoints } from "./spectra-probe.ts";
import { probeVocabulary } from "./vocabulary-probe.ts";

/** What a probe looks at. */
export interface ProbeContext {
  readonly model: Decoder;
  readonly params: DecoderParams;
  readonly tokenizer: Tokenizer;
  /** The text that the model is run on. */
  readonly text: TokenFile;
  /** Tokens of it at most, spread evenly over it. */
  readonly tokens: number;
  /** Numbers of the blocks that are looked at; all if left out. */
  readonly layers?: readonly number[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StudyProgress) => void;
}

/** What a probe found. */
export interface ProbeResult {
  /** What a reader sees first, on a terminal too. */
  readonly summary: Table;
  /** Sentences that belong to it. */
  readonly notes: readonly string[];
  readonly figures: readonly Figure[];
  /** The same and more as plain data, without what is as long as there are units. */
  readonly data: unknown;
  /** Numbers of each unit, or other long lists, by name. */
  readonly arrays: { readonly [name: string]: TensorToWrite };
}

interface Probe {
  readonly title: string;
  /** One line for help texts. */
  readonly about: string;
  /** When its numbers mislead. */
  readonly caution: string;
  readonly options: z.ZodObject;
  run(context: ProbeContext, options: never): Promise<ProbeResult>;
}

const probe = <S extends z.ZodRawShape>(
  texts: Pick<Probe, "title" | "about" | "caution">,
  shape: S,
  run: (context: ProbeContext, options: z.infer<z.ZodObject<S>>) => Promise<ProbeResult>,
): Probe => ({ ...texts, options: z.strictObject(shape), run: run as Probe["run"] });

const count = z.int().min(1);

/** Ways to look at a model. */
export const probes: { readonly [name: string]: Probe } = {
  neurons: probe(
    {
      title: "Neurons",
      about: "hidden units that are never active, that detect tokens, that follow the position (ReLU)",
      caution:
        "Dead means never active on this text: another text may wake a unit, and a short one leaves most rare units dead. A unit that a few tokens cover need not be active whenever they occur. In the first block the position is part of what a unit reads, so position and token cannot be told apart there; position 0 is left out. Where the same table embeds tokens and gives the logits, the standing of triggers is biased before any training: compare with an untrained model.",
    },
    {
      threshold: z.number().min(0).optional(),
      triggers: count.default(5),
      ngrams: z.int().min(1).max(3).default(2),
    },
    probeNeurons,
  ),
  vocabulary: probe(
    {
      title: "Vocabulary concepts",
      about: "what value vectors promote in the vocabulary, where predictions settle, what early exit would save",
      caution:
        "A value vector is read through the last norm's gain and the output embedding, as if nothing came after it; later layers may turn it into something else, so early layers can look less meaningful than they are. With a gate, coefficients take both signs, and a unit demotes its tokens as often as it promotes them. Coherence counts company in the text: it finds topics and forms of words, not every relation, and a short text knows little. The ten largest are counted by size, though updates may cancel.",
    },
    {
      top: z.int().min(2).default(20),
      agreement: z.number().gt(0).max(1).default(0.95),
      seed: z.int().min(0).default(0),
    },
    probeVocabulary,
  ),
  spectra: probe(
    {
      title: "Spectra",
      about: "how many dimensions of each feed-forward layer its activations fill",
      caution:
        "Ranks are those of this text: text of one kind fills fewer dimensions than a model has. They grow with the number of tokens until there are many more of them than dimensions. A rank of a hundred means that as many equally strong directions would spread the variance as evenly, not that the other directions are unused.",
    },
    { at: z.enum(spectrumPoints).default("hidden") },
    probeSpectra,
  ),
  geometry: probe(
    {
      title: "Geometry",
      about:
        "dimensions of the stream from layer to layer, and what is lost with noise on the last features or fewer of them",
      caution:
        "A few features of large variance make a dimension small whatever the others do. Positions of one window are alike, so that tokens are worth fewer than their number. Noise in all directions raises the dimension while it takes the predictions: which way the dimension moves is the noise's doing, not a measure of quality.",
    },
    { share: z.number().gt(0).max(1).default(0.95), interventions: z.boolean().default(true) },
    probeGeometry,
  ),
};

/** The named probe; throws one sentence that lists the known ones. */
export function probeOf(name: string): Probe {
  const found = Object.hasOwn(probes, name) ? probes[name] : undefined;
  if (!found)
    throw new Error(`probe: unknown probe ${JSON.stringify(name)}; known are ${Object.keys(probes).join(", ")}`);
  return found;
}

/**
 * Runs the named probe. Throws one sentence if there is no such probe or an option is wrong, and `NotApplicableError` if
 * the model has nothing that it applies to.
 */
export async function runProbe(
  name: string,
  context: ProbeContext,
  options: { readonly [option: string]: unknown } = {},
): Promise<ProbeResult & { readonly options: { readonly [option: string]: unknown } }> {
  const chosen = probeOf(name);
  const complete = checked(chosen.options, options, `probe ${name}`);
  return { ...(await chosen.run(context, complete as never)), options: complete };
}

/** What a probe found as a section of a report. */
export function probeSection(name: string, { summary, notes, figures }: ProbeResult): ReportSection {
  const { title, about, caution } = probeOf(name);
  return { title, text: `${about}.`, caution, notes, figures: [summary, ...figures] };
}
