// A worker that does next to nothing, for tests that need many: it speaks as `work.ts` does, keeps a piece, and writes
// down what it has begun and ended.
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const log = process.env.FOURWARD_TEST_LOG;
process.on("disconnect", () => process.exit(1));
process.on("message", async ({ kind, order }) => {
  if (kind === "stop") process.exit(0);
  const piece = join(order.folder, "piece");
  const name = order.folder.split("/").at(-1);
  appendFileSync(log, `${existsSync(piece) ? "resumed" : "began"} ${name}\n`);
  writeFileSync(piece, "half");
  process.send({ kind: "progress", progress: { stage: "half", done: 1, total: 2 } });
  await new Promise((done) => setTimeout(done, 20));
  const claims = [];
  const outcome = { kind: "study", scale: "smoke", seeds: [0], evidence: false, seconds: 0, command: "none", claims };
  appendFileSync(log, `ended ${name}\n`);
  process.send({ kind: "done", outcome, files: [] }, () => process.exit(0));
});
process.send({ kind: "ready" });
