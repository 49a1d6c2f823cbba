/** Times as rates, beside what the machine can do. */
import type { Rates } from "../roofline.ts";
import { digits } from "../table.ts";
import type { Work } from "./work.ts";

/** The work of a way of doing the job: its own, or that of the plainest way. */
export const workFor = (works: readonly Work[], entrant: string): Work | null =>
  works.find(({ id }) => id === entrant) ?? works[0] ?? null;

/** Rates of a step that takes so many milliseconds, by column: of operations and of bytes, and their shares of the machine's. */
export function rateCells(work: Work | null, rates: Rates | null, ms: number): { readonly [column: string]: string } {
  const cells: Record<string, string> = {};
  const seconds = ms / 1000;
  if (work && work.operations > 0) {
    const rate = work.operations / seconds;
    cells["GFLOP/s"] = digits(rate / 1e9);
    if (rates) cells["of GEMM"] = percent(rate / rates.gemm);
  }
  if (work?.bytes) {
    const rate = work.bytes / seconds;
    cells["GB/s"] = digits(rate / 1e9);
    if (rates) cells["of copying"] = percent(rate / rates.copy);
  }
  return cells;
}

const percent = (share: number): string => `${digits(100 * share)} %`;

/** The rates of the machine in a line. */
export const roofText = ({ gemm, gemmOneThread, copy, copyOneThread, read }: Rates): string =>
  `- the machine meanwhile: matrix products ${digits(gemm / 1e9)} GFLOP/s (one thread ${digits(gemmOneThread / 1e9)}), copying ${digits(copy / 1e9)} GB/s read and written (one thread ${digits(copyOneThread / 1e9)}), reading alone ${digits(read / 1e9)} GB/s`;
