/**
 * What the studio's server and its clients say to each other: the schema of every request and reply, as JSON. This file
 * needs nothing but zod, so that a client can take its types, or its schemas too.
 *
 * | request | body or query | reply |
 * | --- | --- | --- |
 * | `GET /api/session` | | `Session` |
 * | `POST /api/session` | `SignIn` | `Session`; 401 for a wrong access token |
 * | `DELETE /api/session` | | `Session`: the access token is forgotten |
 * | `GET /api/topics` | | `TopicList` |
 * | `GET /api/papers` | `PaperQuery` | `PaperList` |
 * | `GET /api/papers/:slug` | | `PaperDetail` |
 * | `PUT /api/papers/:slug/vote` | `Vote` | `Voted` |
 * | `POST /api/papers/:slug/read` | | 204 |
 * | `GET /api/runs` | | `RunList`: the visitor's own runs, newest first, and how long the queue is |
 * | `POST /api/runs` | `StartRun` | 201 `Run`; 401 without access, 429 over a limit |
 * | `GET /api/runs/:id` | | `RunDetail` |
 * | `POST /api/runs/:id/cancel` | | `Run`; only the visitor who started it may |
 * | `GET /api/runs/:id/events` | | server-sent events, see `RunEvent` |
 * | `GET /api/runs/:id/report` | | the report as a self-contained HTML page, to be linked to or framed |
 * | `GET /api/runs/:id/files/:name` | | a file that the run left, as a download |
 * | `GET /api/models` | | `ModelList`: the models, probes and conversions that runs can be started with |
 * | `POST /api/subscriptions` | `Subscribe` | 202 `Said`; 503 where no mail is sent |
 * | `POST /api/subscriptions/confirm` | `UseToken` | `Said`; 400 for a token that is unknown, used or too old |
 * | `POST /api/subscriptions/unsubscribe` | `UseToken` | `Said`; 400 likewise |
 * | `GET /health` | | `Health` |
 * | `GET /metrics` | | Prometheus text |
 *
 * What is refused comes back as `Problem` with a status of 400 (bad input), 401 (an access token is needed), 403 (another
 * site's request, or another visitor's run), 404, 409 (a run that is over cannot be cancelled), 413, 415 (a body that is no
 * `application/json`), 429 (with `Retry-After`) or 503.
 *
 * Visitors are known by a cookie that scripts cannot read. Requests that change something must be made from the page's own
 * origin (the browser's `Sec-Fetch-Site` and `Origin` say so) and have their body as `application/json`; a client sends no
 * token of its own. Scripts without a browser may send the access token as `Authorization: Bearer`.
 *
 * Pages: `/`, `/papers/:slug`, `/runs/:id`, `/models`, `/subscription`, `/subscription/confirm?token=`,
 * `/subscription/unsubscribe?token=`. The server renders each with the `PageData` of its address and puts the same data
 * into `<script type="application/json" id="fourward-data">`, which the client hydrates from. It says nothing of the
 * visitor, so that pages can be kept: votes and access come from `GET /api/session`. The pages' policy lets no inline
 * script run and no `<style>` element apply; style attributes do.
 */
import { z } from "zod";
import { claimResult } from "../report/claim-schema.ts";
import type { Figure, PictureGrid } from "../report/figure.ts";

/** One sentence that says what was expected, for whoever sent the request. */
export const problem = z.object({ error: z.string() });
export type Problem = z.infer<typeof problem>;

/** A date and time as `2026-11-24T12:00:00.000Z`. */
const time = z.iso.datetime();

const slug = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,99}$/, "expected the name of a paper, such as moefication");
const topic = z.string().regex(/^[a-z0-9-]{1,40}$/, "expected a topic, such as moe");

/* Papers */

export const sortOrders = ["relevance", "trending", "newest"] as const;

/** A parameter of an address that is there once, several times, or has values with commas between them. */
const listOf = <T extends z.ZodType<string, string>>(item: T, most: number) =>
  z
    .union([z.string(), z.array(z.string())])
    .transform((given) =>
      [given]
        .flat()
        .flatMap((text) => text.split(","))
        .filter(Boolean),
    )
    .pipe(z.array(item).max(most));

const year = z.coerce.number().int().min(1900).max(2200);

/** Papers on a page of a list. */
export const PAGE_SIZE = 20;

/** `GET /api/papers` and `/`: what is looked for. */
export const paperQuery = z.object({
  /** Words; none or empty: all papers. */
  q: z
    .string()
    .max(300)
    // No word has control characters in it, and no database takes all of them.
    .transform((text) => text.replace(/\p{Cc}/gu, " ").trim())
    .default(""),
  /** Papers must have one of these: `topic=moe,fourier` or `topic=moe&topic=fourier`. */
  topic: listOf(topic, 20).default([]),
  /** `runs=true`: only papers that run. */
  runs: z
    .enum(["true", "false", ""])
    .transform((text) => text === "true")
    .default(false),
  from: year.optional(),
  to: year.optional(),
  /** By default relevance where there are words, else trending. */
  sort: z.enum(sortOrders).optional(),
  /** From 1, of 20 papers each. */
  page: z.coerce.number().int().min(1).max(500).default(1),
});
export type PaperQuery = z.infer<typeof paperQuery>;

/** A paper in a list. */
export const paperCard = z.object({
  slug: z.string(),
  /** Its number in the catalogue; null for a paper that is only in the feed. */
  number: z.number().nullable(),
  title: z.string(),
  /** What people call it; empty where it has no other name. */
  name: z.string(),
  year: z.number(),
  arxiv: z.string().nullable(),
  /** Our summary, or the beginning of the authors' abstract: text, never HTML. */
  about: z.string(),
  topics: z.array(z.string()),
  source: z.enum(["catalogue", "arxiv", "hugging-face"]),
  appearedAt: time,
  /** Whether its study can be run. */
  runs: z.boolean(),
  /** The score that trending sorts by. */
  trending: z.number(),
  /** Visitors whose vote it has. */
  votes: z.number(),
  /** How many claims have which verdict at the largest scale that was measured here; null where nothing was. */
  verdicts: z
    .object({
      scale: z.enum(["smoke", "small", "full"]),
      holds: z.number(),
      fails: z.number(),
      inconclusive: z.number(),
    })
    .nullable(),
});
export type PaperCard = z.infer<typeof paperCard>;

export const paperList = z.object({
  query: z.object({
    q: z.string(),
    topic: z.array(z.string()),
    runs: z.boolean(),
    from: z.number().nullable(),
    to: z.number().nullable(),
    sort: z.enum(sortOrders),
    page: z.number(),
  }),
  /** How many there are in all. */
  total: z.number(),
  pages: z.number(),
  papers: z.array(paperCard),
});
export type PaperList = z.infer<typeof paperList>;

export const topicList = z.object({
  topics: z.array(z.object({ topic: z.string(), papers: z.number(), runs: z.number() })),
});
export type TopicList = z.infer<typeof topicList>;

/** Scales that a visitor can start a study at; larger ones are for the command line. */
export const runScales = ["smoke", "small"] as const;

/** What a paper claims, as in its study. */
export const claim = z.object({
  id: z.string(),
  what: z.string(),
  figure: z.number(),
  unit: z.string(),
  direction: z.enum(["atLeast", "atMost", "equals"]),
  tolerance: z.number(),
  where: z.string(),
});
export type PaperClaim = z.infer<typeof claim>;

/** What the latest run at a scale measured. */
export const scaleMeasurements = z.object({
  scale: z.enum(["smoke", "small", "full"]),
  startedAt: time,
  seconds: z.number(),
  /** False at smoke scale, whose verdicts say nothing about the paper. */
  evidence: z.boolean(),
  /** The command that repeats it. */
  command: z.string(),
  claims: z.array(claimResult),
});
export type ScaleMeasurements = z.infer<typeof scaleMeasurements>;

export const paperDetail = paperCard.extend({
  /** In our own words; empty for a paper that is only in the feed. */
  summary: z.string(),
  /** What the study says the paper is about, in our own words; empty where there is no study. */
  study: z.string(),
  /** The authors' own abstract; empty where it is not known. */
  abstract: z.string(),
  authors: z.array(z.string()),
  /** Addresses outside, all `https`. */
  links: z.array(z.object({ label: z.string(), url: z.url({ protocol: /^https$/ }) })),
  claims: z.array(claim),
  /** Largest scale first. */
  measurements: z.array(scaleMeasurements),
  related: z.array(paperCard),
  /** A program that uses the paper, and the command that runs its study; null where there is no study. */
  code: z.object({ typescript: z.string(), command: z.string() }).nullable(),
  /** Whether this server can run it, and how many seeds each scale has by default. */
  runsHere: z.object({ seeds: z.object({ smoke: z.number(), small: z.number() }) }).nullable(),
  /** Whether it can run in a browser, and why not if it cannot. */
  runsInBrowser: z.object({ can: z.boolean(), why: z.string().nullable() }),
});
export type PaperDetail = z.infer<typeof paperDetail>;

/** `PUT /api/papers/:slug/vote`: true gives the visitor's vote, false takes it back. */
export const vote = z.strictObject({ active: z.boolean() });
export type Vote = z.infer<typeof vote>;

export const voted = z.object({ active: z.boolean(), votes: z.number() });
export type Voted = z.infer<typeof voted>;

/* The visitor */

export const session = z.object({
  /** Whether this visitor may start runs now. */
  mayRun: z.boolean(),
  /** What is missing, in one sentence; null if nothing is. */
  why: z.string().nullable(),
  /** Whether `POST /api/session` with the server's access token would help. */
  needsToken: z.boolean(),
  limits: z.object({
    /** Runs queued or running at once. */
    atOnce: z.number(),
    perHour: z.number(),
  }),
  /** Runs of this visitor that are queued or running. */
  active: z.number(),
  /** Slugs of the papers that have this visitor's vote. */
  votes: z.array(z.string()),
  /** Whether the server sends mail, so that subscriptions can be confirmed. */
  sendsMail: z.boolean(),
});
export type Session = z.infer<typeof session>;

export const signIn = z.strictObject({ token: z.string().min(1).max(500) });
export type SignIn = z.infer<typeof signIn>;

/* Runs */

const seed = z
  .number()
  .int()
  .min(0)
  .max(2 ** 32 - 1);
const named = z.string().regex(/^[\w.-]{1,100}$/);
/** Options of a probe or conversion by name, as `ModelList` describes them. */
const settings = z.record(
  z.string().regex(/^\w{1,40}$/),
  z.union([z.number(), z.boolean(), z.string().regex(/^[\w .:/-]{0,200}$/)]),
);

/** `POST /api/runs`: a study of a paper, or a probe or conversion of a model. */
export const startRun = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("study"),
    slug,
    scale: z.enum(runScales),
    /** By default those of the study. */
    seeds: z
      .array(seed)
      .min(1)
      .max(10)
      .refine((seeds) => new Set(seeds).size === seeds.length, "expected different seeds")
      .optional(),
  }),
  z.strictObject({ kind: z.literal("probe"), model: named, probe: named, settings: settings.default({}) }),
  z.strictObject({ kind: z.literal("convert"), model: named, method: named, settings: settings.default({}) }),
]);
export type StartRun = z.input<typeof startRun>;
/** What a run does. */
export type RunRequest = z.output<typeof startRun>;

export const runStates = ["queued", "running", "done", "failed", "cancelled"] as const;
export type RunState = (typeof runStates)[number];

/** How far a run is. */
export const runProgress = z.object({
  stage: z.string(),
  done: z.number(),
  total: z.number(),
  unit: z.string().optional(),
  /** The training that goes on: its steps done, and the loss of each model that learns, by its name. */
  training: z.object({ step: z.number(), losses: z.record(z.string(), z.number()) }).optional(),
});
export type RunProgress = z.infer<typeof runProgress>;

export const run = z.object({
  /** 22 letters that nobody can guess: whoever has the address may look. */
  id: z.string().regex(/^[\w-]{22}$/),
  request: startRun,
  /** The paper's title or the model's name, with what is done to it. */
  title: z.string(),
  state: z.enum(runStates),
  /** Whether it is this visitor's, who may cancel it. */
  own: z.boolean(),
  /** Runs that come before it while it is queued; 0 otherwise. */
  ahead: z.number(),
  /** How often it was begun: more than once after the server was stopped meanwhile. */
  attempts: z.number(),
  createdAt: time,
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  progress: runProgress.nullable(),
  /** Why it failed, in one sentence. */
  failure: z.string().nullable(),
});
export type Run = z.infer<typeof run>;

export const runList = z.object({
  runs: z.array(run),
  /** Of all visitors. */
  queue: z.object({ queued: z.number(), running: z.number() }),
});
export type RunList = z.infer<typeof runList>;

/** A figure with its pixels as base64. */
export type JsonFigure =
  | Exclude<Figure, PictureGrid>
  | (Omit<PictureGrid, "rows"> & {
      readonly rows: readonly { readonly label: string; readonly pictures: readonly string[] }[];
    });

export const jsonFigure = z.custom<JsonFigure>(
  (figure) =>
    typeof figure === "object" &&
    figure !== null &&
    "kind" in figure &&
    ["lines", "bars", "table", "pictures", "flame"].includes(figure.kind as string),
);

/** What a finished study says. */
export const studyOutcome = z.object({
  kind: z.literal("study"),
  scale: z.enum(runScales),
  seeds: z.array(z.number()),
  evidence: z.boolean(),
  seconds: z.number(),
  command: z.string(),
  claims: z.array(claimResult),
});

/** What a finished probe says; its tables and pictures are the run's figures. */
export const probeOutcome = z.object({
  kind: z.literal("probe"),
  title: z.string(),
  about: z.string(),
  /** What a reader must know to read the numbers rightly. */
  caution: z.string(),
  seconds: z.number(),
  command: z.string(),
});

const modelFigures = z.object({
  perplexity: z.number(),
  /** Nats per token. */
  loss: z.number(),
  /** Share of next tokens that were the likeliest. */
  accuracy: z.number(),
  parameters: z.number(),
  flopsPerToken: z.number(),
  weightBytesPerToken: z.number(),
  /** Median milliseconds of a token of one text. */
  decodeMs: z.number(),
});
export type ModelFiguresJson = z.infer<typeof modelFigures>;

/** What a finished conversion says. */
export const convertOutcome = z.object({
  kind: z.literal("convert"),
  before: modelFigures,
  after: modelFigures,
  seconds: z.number(),
  command: z.string(),
});

export const runOutcome = z.discriminatedUnion("kind", [studyOutcome, probeOutcome, convertOutcome]);
export type RunOutcome = z.infer<typeof runOutcome>;

/** Losses of a model while it trained: points of step and loss, thinned out where they are many. */
export const lossCurve = z.object({
  name: z.string(),
  points: z.array(z.tuple([z.number(), z.number()]).readonly()).readonly(),
});

/** A run with all that it has said so far. */
export const runDetail = run.extend({
  /**
   * Of each model that trained; the event `losses` tells what becomes of them, see `withChanges`.
   */
  losses: z.array(lossCurve),
  figures: z.array(jsonFigure),
  notes: z.array(z.string()),
  /** Null until it is done. */
  outcome: runOutcome.nullable(),
  /** Names of files that can be downloaded; the report is among them. */
  files: z.array(z.string()),
});
export type RunDetail = z.infer<typeof runDetail>;

/**
 * Server-sent events of a run: `event` is the name, `data` the JSON here. The first is always `run` with all that is known,
 * also after a connection was lost, so that a client need not count. After `done`, `failed` or `cancelled` the server
 * closes; `queued` comes where a run waits, or waits again because the server is stopping.
 */
export const runEvents = {
  run: runDetail,
  queued: z.object({ ahead: z.number() }),
  running: z.object({ attempts: z.number() }),
  progress: runProgress,
  /** Of each curve that has changed: how many of its first points are kept, and the points that follow them. */
  losses: z.object({ changes: z.array(lossCurve.extend({ kept: z.number() })).readonly() }),
  figure: jsonFigure,
  note: z.object({ text: z.string() }),
  done: runDetail,
  failed: z.object({ failure: z.string() }),
  cancelled: z.object({}),
} as const;
export type RunEvent = {
  [K in keyof typeof runEvents]: { readonly event: K; readonly data: z.infer<(typeof runEvents)[K]> };
}[keyof typeof runEvents];

/* Models */

/** An option of a probe or conversion. */
const option = z.object({
  name: z.string(),
  type: z.enum(["number", "integer", "boolean", "string"]),
  /** What it may be, where that is a list. */
  choices: z.array(z.string()).optional(),
  default: z.union([z.number(), z.boolean(), z.string()]).nullable(),
});
export type ModelOption = z.infer<typeof option>;

const method = z.object({ name: z.string(), title: z.string(), about: z.string(), options: z.array(option) });
export type ModelMethod = z.infer<typeof method>;

export const modelList = z.object({
  models: z.array(
    z.object({
      /** The name that runs are started with. */
      id: z.string(),
      /** Whether it comes with Fourward; others are in folders that whoever runs the server allows. */
      embedded: z.boolean(),
      parameters: z.number().nullable(),
      layers: z.number().nullable(),
      width: z.number().nullable(),
      vocabulary: z.number().nullable(),
      context: z.number().nullable(),
    }),
  ),
  probes: z.array(method),
  conversions: z.array(method),
});
export type ModelList = z.infer<typeof modelList>;

/* Subscriptions */

export const subscribe = z.strictObject({
  email: z.string().max(254),
  /** Papers must have one of these; empty for all. */
  topics: z.array(topic).max(50).default([]),
  /** Hour of the day, 0 to 23. */
  hour: z.number().int().min(0).max(23),
  /** IANA name, such as `Europe/Vienna`. */
  timeZone: z.string().max(64),
});
export type Subscribe = z.input<typeof subscribe>;

/** The token of a letter's link. */
export const useToken = z.strictObject({ token: z.string().max(200) });
export type UseToken = z.infer<typeof useToken>;

/** A sentence to show. It does not tell whether an address was known. */
export const said = z.object({ message: z.string() });
export type Said = z.infer<typeof said>;

/* The server */

export const health = z.object({
  status: z.enum(["ok", "stopping", "failing"]),
  version: z.string(),
  database: z.enum(["pglite", "postgres"]),
  uptimeSeconds: z.number(),
  queue: z.object({ queued: z.number(), running: z.number() }),
});
export type Health = z.infer<typeof health>;

/* Pages */

/** What a page is rendered and hydrated from. */
export type PageData =
  | { readonly page: "home"; readonly list: PaperList; readonly topics: TopicList; readonly sendsMail: boolean }
  | { readonly page: "paper"; readonly paper: PaperDetail }
  | { readonly page: "run"; readonly run: RunDetail }
  | { readonly page: "models"; readonly models: ModelList }
  | {
      readonly page: "subscription";
      readonly action: "subscribe" | "confirm" | "unsubscribe";
      readonly topics: TopicList;
      readonly sendsMail: boolean;
      /** What became of a form that was sent without JavaScript; null before. */
      readonly said: { readonly ok: boolean; readonly message: string } | null;
    }
  | { readonly page: "problem"; readonly status: number; readonly error: string };
