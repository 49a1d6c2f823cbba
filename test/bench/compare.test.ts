import { afterEach, expect, test } from "vitest";
import { compareJob, Peers } from "../../bench/compare.ts";

/** A peer in a few lines: answers requests with what `answer` (source text) gives for them. */
const peer = (answer: string) => ({
  command: process.execPath,
  args: [
    "-e",
    `const answer = ${answer};
     console.log("a banner");
     require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
       const reply = answer(JSON.parse(line));
       if (reply) console.log(JSON.stringify(reply));
     });`,
  ],
});

const entrant = (check: readonly number[], multiple = 1) =>
  `{ entrants: [{ id: "only", label: "only way", multiple: ${multiple}, check: ${JSON.stringify(check)} }] }`;

let peers: Peers | undefined;
afterEach(() => peers?.close());

const compare = (commands: Readonly<Record<string, ReturnType<typeof peer>>>, rounds = 3) => {
  peers = new Peers(new Map(Object.entries(commands)));
  return compareJob(peers, { id: "job" }, { rounds, log: () => undefined, reference: "b" });
};

test("times peers that agree, each figure a step", async () => {
  const { results, failures } = await compare({
    a: peer(`({ op, steps }) => op === "setup" ? ${entrant([1, 2], 5)} : { ms: 100 * steps }`),
    b: peer(`({ op, steps }) => op === "setup" ? ${entrant([1, 2.00001])} : { ms: 200 * steps }`),
  });
  expect(failures).toEqual([]);
  expect(results.map(({ peer, rounds }) => [peer, rounds])).toEqual([
    ["a", [100, 100, 100]],
    ["b", [200, 200, 200]],
  ]);
  expect(results.map(({ ratio }) => ratio.median)).toEqual([1, 2]);
  expect(results[0]?.difference).toBeCloseTo(5e-6, 7);
  expect(results[1]?.difference).toBe(0);
});

test("does not time a peer that computes something else, and shows the numbers", async () => {
  const { results, failures } = await compare({
    a: peer(`({ op }) => op === "setup" ? ${entrant([1, 2.5])} : { ms: 1 }`),
    b: peer(`({ op }) => op === "setup" ? ${entrant([1, 2])} : { ms: 1 }`),
  });
  expect(results.map(({ peer }) => peer)).toEqual(["b"]);
  expect(failures).toHaveLength(1);
  expect(failures[0]).toMatchObject({ peer: "a" });
  expect(failures[0]?.reason).toContain("differ from those of b by 2.0e-1: 1.00000 2.50000 instead of 1.00000 2.00000");
});

test("a peer that reports an error or ends is a failure of its own", async () => {
  const { results, failures } = await compare({
    a: peer(`() => ({ error: "has no such kernel" })`),
    b: peer(`({ op }) => op === "setup" ? ${entrant([1])} : { ms: 1 }`),
    c: peer(`() => { process.stderr.write("out of memory\\n", () => process.exit(3)); }`),
  });
  expect(results.map(({ peer }) => peer)).toEqual(["b"]);
  expect(failures).toEqual([
    { peer: "a", reason: "has no such kernel" },
    { peer: "c", reason: "ended with code 3: out of memory" },
  ]);
});

test("a peer that ended is started again for the next job", async () => {
  await compare({ b: peer(`({ op }) => op === "setup" ? process.exit(1) : null`) });
  const facts = await (peers as Peers)
    .get("b")
    .ask({ op: "x" }, 200)
    .catch((error: Error) => error.message);
  expect(facts).toBe("no answer within 0.2 s");
});

test("a slow peer gets fewer rounds, a very slow one no more than its first step", async () => {
  const rounds = async (ms: number) => {
    const { results } = await compare(
      { b: peer(`({ op, steps }) => op === "setup" ? ${entrant([1])} : { ms: ${ms} * steps }`) },
      7,
    );
    peers?.close();
    return results[0]?.rounds;
  };
  expect(await rounds(4000)).toEqual([4000, 4000, 4000]);
  expect(await rounds(20_000)).toEqual([20_000]);
});

test("a slow peer may check fewer results; one whose weights are rounded has a tolerance of its own", async () => {
  const rounding = entrant([1, 2.1]).replace("check:", "tolerance: 0.1, check:");
  const { results, failures } = await compare({
    a: peer(`({ op }) => op === "setup" ? ${rounding} : { ms: 1 }`),
    b: peer(`({ op }) => op === "setup" ? ${entrant([1, 2])} : { ms: 1 }`),
    c: peer(`({ op }) => op === "setup" ? ${entrant([1])} : { ms: 1 }`),
  });
  expect(failures).toEqual([]);
  expect(results.map(({ difference }) => difference > 0)).toEqual([true, false, false]);
});

test("rates of the machine are measured once a round, and their medians reported", async () => {
  let round = 0;
  peers = new Peers(new Map([["b", peer(`({ op }) => op === "setup" ? ${entrant([1])} : { ms: 1 }`)]]));
  const { rates } = await compareJob(
    peers,
    { id: "job" },
    {
      rounds: 3,
      log: () => undefined,
      reference: "b",
      rates: async () => ({ gemm: ++round, gemmOneThread: 1, copy: 10 * round, copyOneThread: 5, read: 6 }),
    },
  );
  expect(rates).toEqual({ gemm: 2, gemmOneThread: 1, copy: 20, copyOneThread: 5, read: 6 });
});

test("what cannot be started is told", async () => {
  peers = new Peers(new Map([["none", { command: "/no/such/program", args: [] }]]));
  const { facts, failures } = await peers.describe();
  expect(facts).toEqual({});
  expect(failures.none).toContain("could not be started");
});
