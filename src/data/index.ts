/** Data sets, batches, and files that survive crashes. */
export { type Availability, cacheFolder, checkDataFiles, loadDataFile } from "./cache.ts";
export {
  type CoastlineScale,
  coastlinesAvailable,
  fibonacciLattice,
  type Land,
  landOf,
  loadLand,
  spherePoints,
} from "./coastlines.ts";
export type { DownloadOptions } from "./download.ts";
export {
  type FileData,
  fileError,
  type JsonlWriter,
  jsonlWriter,
  readJsonFile,
  readJsonObject,
  readTextFile,
  sha256File,
  writeFileAtomic,
} from "./files.ts";
export { type IdxArray, parseIdx, readIdx } from "./idx.ts";
export {
  available,
  type ImageBatch,
  type ImageBatches,
  type Images,
  imageBatches,
  type LoadImagesOptions,
  loadImages,
  type Normalization,
  normalizeImages,
  permutation,
  pixelStatistics,
  type Split,
} from "./images.ts";
export { encodeNpy, type NpyArray, parseNpy } from "./npy.ts";
export { type PageFile, pageData, pageFileList, writePageData } from "./page-data.ts";
export * from "./pde/index.ts";
export { type DataFile, type DataSource, type ImageSetName, type ImageSource, imageSources } from "./sources.ts";
export * from "./text/index.ts";
export {
  loadTimeSeries,
  parseSeriesTable,
  type SeriesName,
  type TimeSeries,
  timeSeriesAvailable,
} from "./time-series.ts";
export { openTokens, type TokenFile, tokensWithin, writeTokens } from "./tokens.ts";
export { loadWordVectors, meanWordVectors, type WordVectors, wordVectorsAvailable } from "./word-vectors.ts";
