import { expect, test } from "vitest";
import { groups } from "../../../bench/engine/groups.ts";
import { renderEngine } from "../../../bench/engine/page.ts";
import { runEngine } from "../../../bench/engine/run.ts";
import { noChromium } from "../../browser/chromium.ts";

// Systems of other languages are started, each of which loads its libraries.
const LIMIT = 600_000;

if (noChromium) console.log(`test/bench: the group browser is skipped: ${noChromium}`);

test.for(groups.filter(({ name }) => name !== "browser" || !noChromium))(
  "tiny jobs of $name run, and agree with PyTorch where it is there",
  { timeout: LIMIT },
  async (group) => {
    const jobs = group.jobs("tiny");
    expect(jobs.map(({ id }) => id)).toEqual(group.jobs("full").map(({ id }) => id));
    const log = () => undefined;
    const report = await runEngine({
      group: group.name,
      jobs,
      peers: ["fourward", "torch"],
      found: group.peers?.(1, ["fourward", "tfjs", "jax"]),
      roofline: false,
      setUpMs: LIMIT,
      rounds: 1,
      threads: 1,
      log,
    });
    for (const { job, failures, results, works } of report.jobs) {
      const without = failures.filter(({ reason }) => reason.endsWith("no form of this job for it"));
      expect(without, job).toEqual(failures);
      const peers = [...results, ...without].map(({ peer }) => peer);
      expect(new Set(peers), job).toEqual(new Set(Object.keys(report.peers)));
      expect(results[0]?.peer, job).toBe("fourward");
      if (group.name === "browser") expect([...new Set(peers)], job).toEqual(["fourward", "node", "tfjs", "jax"]);
      if (group.name !== "startup") expect(works, job).not.toEqual([]);
    }
    const page = renderEngine(report, jobs, []);
    for (const { title } of jobs) expect(page).toContain(title);
  },
);
