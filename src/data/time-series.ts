/** Measured time series of several variables. */
import { type Availability, checkDataFiles, loadDataFile } from "./cache.ts";
import type { DownloadOptions } from "./download.ts";
import type { DataFile, DataSource } from "./sources.ts";

/** A published table: a column of times, then one column for each variable. */
interface SeriesSource extends DataSource {
  readonly file: DataFile;
}

/** Load and oil temperature of an electricity transformer, hourly for two years. Zhou et al. 2021, arXiv:2012.07436. */
const etth1: SeriesSource = {
  name: "etth1",
  home: "https://github.com/zhouhaoyi/ETDataset",
  mirrors: ["https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/"],
  file: {
    name: "ETTh1.csv",
    bytes: 2_589_657,
    sha256: "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
  },
};

/** The data sets by name. */
export const timeSeriesSources = { etth1 } as const;

/** Time series by name. */
export type SeriesName = keyof typeof timeSeriesSources;

/** Variables measured at the same times. */
export interface TimeSeries {
  /** When each row was measured, as the publisher writes it. */
  readonly times: readonly string[];
  readonly variables: readonly string[];
  /** `[times, variables]` in row order. */
  readonly values: Float64Array;
}

/** Whether a series is on this machine. */
export const timeSeriesAvailable = (name: SeriesName): Availability =>
  checkDataFiles(timeSeriesSources[name], [timeSeriesSources[name].file]);

/** Loads a series. Throws one sentence if it cannot be had or is not the published one. */
export async function loadTimeSeries(name: SeriesName, options: DownloadOptions = {}): Promise<TimeSeries> {
  const source = timeSeriesSources[name];
  return parseSeriesTable(new TextDecoder().decode(await loadDataFile(source, source.file, options)), source.file.name);
}

/** A table of comma-separated values with a head, whose first column is the time; throws for anything but numbers. */
export function parseSeriesTable(text: string, name: string): TimeSeries {
  const [head = "", ...rows] = text.trim().split(/\r?\n/);
  const variables = head.split(",").slice(1);
  const times: string[] = [];
  const values = new Float64Array(rows.length * variables.length);
  rows.forEach((row, i) => {
    const [time = "", ...cells] = row.split(",");
    const numbers = cells.map((cell) => (cell.trim() === "" ? Number.NaN : Number(cell)));
    if (numbers.length !== variables.length || !numbers.every(Number.isFinite))
      throw new Error(
        `${name}: expected a time and ${variables.length} numbers in line ${i + 2}, got ${JSON.stringify(row.slice(0, 60))}`,
      );
    times.push(time);
    values.set(numbers, i * variables.length);
  });
  return { times, variables, values };
}
