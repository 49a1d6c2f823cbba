/** A studio as a process of its own, for tests that kill it: `server-process.ts <folder>`; prints its port. */
import { join } from "node:path";
import { openFeed, syncCatalogue } from "../../src/feed/index.ts";
import { startStudio } from "../../src/studio/server.ts";
import { library } from "./library.ts";
import { unlimited } from "./studio.ts";

const folder = process.argv[2] as string;
// PostgreSQL where `DATABASE_URL` names it.
const feed = await openFeed({ folder: join(folder, "feed") });
await syncCatalogue(feed.db, library, { quick: true });
const studio = await startStudio({
  ...{ feed, library, host: "127.0.0.1", port: 0, runsFolder: join(folder, "runs"), siteFolder: join(folder, "none") },
  ...{ worker: new URL("./tiny-worker.mjs", import.meta.url), concurrency: 2, heartbeatSeconds: 0.5 },
  ...{ limits: { atOnce: 100, perHour: 100 }, rates: unlimited() },
  log: (line: string) => process.stderr.write(`${line}\n`),
});
process.stdout.write(`port ${studio.port}\n`);
process.on("SIGTERM", async () => {
  await studio.close();
  await feed.close();
});
