/** Sends what is due, and kills itself at the step that it is told; started by `kills.test.ts` as a process. */
import { openFeed } from "../../../src/feed/database.ts";
import { scheduleDigests } from "../../../src/feed/digest/schedule.ts";
import { sendDue } from "../../../src/feed/digest/send.ts";

const [folder = "", smtp = "", time = "", step = ""] = process.argv.slice(2);
const die = () => process.kill(process.pid, "SIGKILL");
const now = new Date(time);
const feed = await openFeed({ url: null, folder });
if (step === "opened") die();
await scheduleDigests(feed.db, { now, domain: "example.org" });
if (step === "scheduled") die();
await sendDue(feed.db, {
  mail: { smtp, from: "digest@example.org", base: "https://papers.example.org" },
  now: () => now,
  observe: async (at) => {
    if (at !== step) return;
    // What has been handed to the kernel leaves before the process does.
    await new Promise((done) => setTimeout(done, 50));
    die();
  },
});
throw new Error(`there is no step "${step}"`);
