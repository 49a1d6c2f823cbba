/** A study's context that keeps everything in memory. */
import type { Figure, StudyContext, StudyProgress } from "../../src/report/index.ts";

export function memoryContext({ seeds = [0] }: { readonly seeds?: readonly number[] } = {}) {
  const kept = new Map<string, unknown>();
  const notes: string[] = [];
  const figures: Figure[] = [];
  const progress: StudyProgress[] = [];
  const context: StudyContext = {
    scale: "smoke",
    seeds,
    device: "cpu",
    signal: new AbortController().signal,
    folder: "",
    overSeeds: async (fn) => {
      const results = [];
      for (const [i, seed] of seeds.entries()) results.push(await fn(seed, i));
      return results;
    },
    remember: async (key, fn) => {
      if (!kept.has(key)) kept.set(key, await fn());
      return kept.get(key) as Awaited<ReturnType<typeof fn>>;
    },
    progress: (at) => progress.push(at),
    note: (text) => notes.push(text),
    figure: (figure) => figures.push(figure),
    artifact: async (name) => name,
  };
  return { context, kept, notes, figures, progress };
}
