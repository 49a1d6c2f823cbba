/** Counts for Prometheus. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Feed } from "../feed/index.ts";
import { queueLength } from "./runs/read.ts";
import type { Runner } from "./runs/runner.ts";

export interface Metrics {
  /** Notes an answer: the route's pattern, never the address, which has no end of forms. */
  answered(method: string, route: string, status: number, seconds: number): void;
  /** Notes an answer that was ready. */
  ready(): void;
  /** All in Prometheus's text form. */
  text(): Promise<string>;
  readonly type: string;
}

/** Starts counting. */
export function startMetrics({ feed, runner }: { readonly feed: Feed; readonly runner: Runner }): Metrics {
  const registers = [new Registry()];
  const [register] = registers as [Registry];
  collectDefaultMetrics({ register });
  const requests = new Counter({
    ...{ name: "fourward_requests_total", help: "Answers by route and status.", registers },
    labelNames: ["method", "route", "status"],
  });
  const seconds = new Histogram({
    ...{ name: "fourward_request_seconds", help: "Seconds to the first byte of an answer.", registers },
    ...{ labelNames: ["route"], buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10] },
  });
  const kept = new Counter({ name: "fourward_kept_answers_total", help: "Answers that were ready.", registers });
  new Gauge({
    ...{ name: "fourward_runs", help: "Runs of all visitors that wait or run.", labelNames: ["state"], registers },
    async collect() {
      const { queued, running } = await queueLength(feed.db);
      this.set({ state: "queued" }, queued);
      this.set({ state: "running" }, running);
    },
  });
  new Gauge({
    ...{ name: "fourward_runs_ended", help: "Runs that this server ended.", labelNames: ["state"], registers },
    collect() {
      for (const [state, n] of Object.entries(runner.ended)) this.set({ state }, n);
    },
  });
  return {
    answered(method, route, status, time) {
      requests.inc({ method, route, status });
      seconds.observe({ route }, time);
    },
    ready: () => kept.inc(),
    text: () => register.metrics(),
    type: register.contentType,
  };
}
