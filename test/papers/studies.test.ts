/** Every study that runs, at smoke scale: its facts are those of the catalogue, and each claim gets a measurement. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { releaseSessions } from "../../src/array/index.ts";
import { studies } from "../../src/papers/index.ts";
import { runsAtSmokeScale } from "./smoke.ts";

let out = "";
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "fourward-studies-"));
});
afterAll(async () => {
  await rm(out, { recursive: true, force: true });
  await releaseSessions();
});

/** `fast-feedforward.test.ts` runs its study so, and looks closer at what comes of it. */
const elsewhere = "fast-feedforward";

describe.each(Object.keys(studies).filter((slug) => slug !== elsewhere))("%s", (slug) => {
  it("runs at smoke scale to a verdict for each claim and a report", { timeout: 120_000 }, async (context) => {
    await runsAtSmokeScale(slug, out, context);
  });
});
