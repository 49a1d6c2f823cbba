/** The feed: papers of the catalogue and from elsewhere, search, what is trending. */
export { type Feed, feedFolder, type OpenFeedOptions, openFeed } from "./database.ts";
export { EMBEDDING_SIZE, type Embedding, fitEmbedding } from "./embedding.ts";
export { type Refreshed, type RefreshOptions, refreshFeed, type SourceName, sourceNames } from "./ingest/refresh.ts";
export { latestMeasurements, type PaperMeasurements, type TakenReports, takeReports } from "./measurements.ts";
export { embeddingOf, type FoundPaper, type Synchronized, syncCatalogue, writeFound } from "./papers.ts";
export type { FeedSchema, PaperSource, RunRow, RunState } from "./schema.ts";
export {
  type FoundRow,
  type SearchOptions,
  type SearchPage,
  type SortOrder,
  searchFeed,
  sortOrders,
} from "./search.ts";
export { isOfFeed, topicsOf } from "./topics.ts";
export {
  HALF_LIFE_HOURS,
  hashedVisitor,
  NETWORK_MOST,
  recordRead,
  recordVote,
  scores,
  type Visitor,
  VOTE_WEIGHT,
  visitorKey,
} from "./trending.ts";
