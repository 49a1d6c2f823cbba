/** `fourward probe` */
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { setDefaults } from "../array/index.ts";
import { fileError, writeFileAtomic } from "../data/index.ts";
import { type CorpusPart, loadPretrained, type OpenText, openText, writeSafetensors } from "../models/index.ts";
import {
  NotApplicableError,
  type ProbeContext,
  type ProbeResult,
  probeOf,
  probeSection,
  probes,
  runProbe,
} from "../probe/index.ts";
import { formatNumber, renderSections, type Table } from "../report/index.ts";
import { commandPrefix, quoted } from "./command.ts";
import { foundModel } from "./find-model.ts";
import { INTERRUPTED, listenForInterrupts } from "./interrupt.ts";
import { ProgressLine } from "./progress.ts";
import { settings } from "./settings.ts";
import { columns, wrap } from "./text.ts";

export interface ProbeFlags {
  readonly probes?: readonly string[];
  readonly layers?: readonly number[];
  readonly text?: string;
  readonly part: CorpusPart;
  readonly tokens: number;
  readonly set?: readonly string[];
  readonly out?: string;
  readonly device: string;
  readonly threads?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

type Found = ProbeResult & { readonly name: string; readonly options: unknown };

/** Runs probes on a model, prints what they found, and writes a report, its data, and long lists as safetensors. */
export async function probe(folder: string, flags: ProbeFlags): Promise<void> {
  setDefaults({ device: flags.device, ...(flags.threads === undefined ? {} : { threads: flags.threads }) });
  const names = flags.probes ?? Object.keys(probes);
  for (const name of names) probeOf(name);
  const options = optionsByProbe(names, settings("probe", flags.set));
  const out = flags.out ?? join("reports", `probe-${basename(folder)}`);
  let line = new ProgressLine();
  const interrupts = listenForInterrupts(() => {
    line.end();
    process.stderr.write("stopping\n");
  });
  const { signal } = interrupts;
  try {
    const { model, params, tokenizer } = await loadPretrained(await foundModel(folder, signal));
    if (!tokenizer) throw new Error(`probe ${folder}: there is no tokenizer.json in it, which cuts text into tokens`);
    const opened = await openText(flags.text, flags.part, tokenizer, signal);
    try {
      // Before the work, so that it is not lost for want of a place to write to.
      await mkdir(out, { recursive: true }).catch((error: unknown) => {
        throw fileError("make the folder", out, error);
      });
      const found: Found[] = [];
      const skipped: { readonly name: string; readonly reason: string }[] = [];
      for (const name of names) {
        line = new ProgressLine();
        const context: ProbeContext = {
          model,
          params,
          tokenizer,
          text: opened.text,
          tokens: flags.tokens,
          signal,
          ...(flags.layers ? { layers: flags.layers } : {}),
          onProgress: ({ stage, ...progress }) => {
            if (!flags.quiet && !signal.aborted) line.update({ ...progress, stage: `${name}: ${stage}` });
          },
        };
        try {
          found.push({ name, ...(await runProbe(name, context, options[name])) });
        } catch (error) {
          // Asked for by name it is an error, but among all probes some do not fit some models.
          if (flags.probes || !(error instanceof NotApplicableError)) throw error;
          skipped.push({ name, reason: error.message });
        } finally {
          line.end();
        }
      }
      const facts = { model: folder, ...factsOf(opened), tokens: flags.tokens, command: commandOf(folder, flags) };
      const files = await writeReport(out, facts, found, skipped, flags.device);
      const data = Object.fromEntries(found.map(({ name, data, options }) => [name, { options, found: data }]));
      process.stdout.write(
        flags.json
          ? `${JSON.stringify({ ...facts, probes: data, skipped, files }, null, 2)}\n`
          : resultText(found, skipped, files),
      );
    } finally {
      opened.close();
    }
  } catch (error) {
    line.end();
    if (!signal.aborted) throw error;
    process.stderr.write("stopped; nothing was written\n");
    process.exitCode = INTERRUPTED;
  } finally {
    interrupts.release();
  }
}

/** `neurons.threshold=0.1` as options of the probe that is named. */
function optionsByProbe(names: readonly string[], given: { readonly [name: string]: unknown }) {
  const result: Record<string, Record<string, unknown>> = {};
  for (const [path, value] of Object.entries(given)) {
    const [name = "", option, ...rest] = path.split(".");
    if (!names.includes(name) || !option || rest.length > 0)
      throw new Error(
        `probe: --set expects probe.option=value with one of the probes ${names.join(", ")}, got ${JSON.stringify(path)}`,
      );
    result[name] = { ...result[name], [option]: value };
  }
  return result;
}

const factsOf = ({ name, part, hash }: OpenText) => ({ text: name, part, hash });

interface Facts extends ReturnType<typeof factsOf> {
  readonly model: string;
  /** Tokens at most that a probe was given. */
  readonly tokens: number;
  readonly command: string;
}

/** Writes `report.html`, `report.json` and a safetensors file for each probe that has long lists; gives their paths. */
async function writeReport(
  out: string,
  facts: Facts,
  found: readonly Found[],
  skipped: readonly { readonly name: string; readonly reason: string }[],
  device: string,
): Promise<readonly string[]> {
  const [page, json] = [join(out, "report.html"), join(out, "report.json")];
  const lists = found.filter(({ arrays }) => Object.keys(arrays).length > 0);
  const files = [page, json, ...lists.map(({ name }) => join(out, `${name}.safetensors`))];
  const { model, text, part, hash, tokens, command } = facts;
  await writeFileAtomic(
    page,
    renderSections({
      kicker: `Probes of ${model}`,
      title: model,
      text: `What ${found.map(({ name }) => probeOf(name).title.toLowerCase()).join(", ")} of this model look like on ${text} (${part}), on at most ${tokens.toLocaleString("en")} tokens.`,
      sections: found.map(({ name, ...result }) => probeSection(name, result)),
      facts: [
        ["Command", command],
        ["Text", `${text} (${part}), SHA-256 ${hash}`],
        ["Tokens", `${tokens.toLocaleString("en")} at most`],
        ...skipped.map(({ name, reason }) => [`Without ${name}`, reason] as const),
      ],
      device,
    }),
  );
  const data = Object.fromEntries(found.map(({ name, data, options }) => [name, { options, found: data }]));
  await writeFileAtomic(json, `${JSON.stringify({ ...facts, probes: data, skipped, files }, null, 2)}\n`);
  for (const { name, arrays } of lists)
    await writeSafetensors(join(out, `${name}.safetensors`), arrays, {
      probe: name,
      model,
      text: `${text} (${part})`,
      hash,
      tokens: `${tokens}`,
    });
  return files;
}

/** The command that repeats this. */
function commandOf(folder: string, flags: ProbeFlags): string {
  const parts = [`${commandPrefix()} probe ${quoted(folder)}`];
  if (flags.probes) parts.push(`--probes ${flags.probes.join(",")}`);
  if (flags.layers) parts.push(`--layers ${flags.layers.join(",")}`);
  if (flags.text !== undefined) parts.push(`--text ${quoted(flags.text)}`);
  if (flags.part !== "all") parts.push(`--part ${flags.part}`);
  parts.push(`--tokens ${flags.tokens}`);
  for (const pair of flags.set ?? []) parts.push(`--set ${quoted(pair)}`);
  if (flags.out !== undefined) parts.push(`--out ${quoted(flags.out)}`);
  if (flags.device !== "cpu") parts.push(`--device ${flags.device}`);
  if (flags.threads !== undefined) parts.push(`--threads ${flags.threads}`);
  return parts.join(" ");
}

function resultText(
  found: readonly Found[],
  skipped: readonly { readonly name: string; readonly reason: string }[],
  files: readonly string[],
): string {
  return `${[
    ...found.flatMap(({ name, summary, notes }) => [
      `${probeOf(name).title}: ${summary.title.toLowerCase()}`,
      tableText(summary),
      ...[summary.caption, ...notes].flatMap((text) => (text ? [wrap(text)] : [])),
      "",
    ]),
    ...skipped.map(({ name, reason }) => `without ${name}: ${reason}\n`),
    ...files.map((path, i) => `${i === 0 ? "report  " : "        "}${path}`),
  ].join("\n")}\n`;
}

/** A table for a terminal: numbers to the right, names of columns broken into lines no wider than their content. */
function tableText({ columns: names, rows }: Table): string {
  const cells = rows.map((row) => row.map((value) => (typeof value === "number" ? formatNumber(value) : value)));
  const heads = names.map((name, i) => {
    const widest = Math.max(6, ...cells.map((row) => (row[i] ?? "").length));
    return wrap(name, widest).split("\n");
  });
  const height = Math.max(...heads.map((lines) => lines.length));
  const head = Array.from({ length: height }, (_, k) => heads.map((lines) => lines[k - height + lines.length] ?? ""));
  const align = names.map(
    (_, i) => (rows.some((row) => typeof row[i] === "number") ? "right" : "left") as "right" | "left",
  );
  return columns([...head, ...cells], { align });
}
