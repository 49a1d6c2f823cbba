/** How long operators took, from the trace that ONNX Runtime writes: a file of JSON with one event on each line. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Kernel } from "./runtime.ts";

/** An operator's run in the trace; times are microseconds. */
interface Event {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args: { readonly [name: string]: unknown };
}

const SUFFIX = "_kernel_time";

/** The operators of a trace, summed by name, those with the most time first. */
export async function readKernels(path: string): Promise<readonly Kernel[]> {
  const kernels = new Map<string, { -readonly [K in keyof Kernel]: Kernel[K] }>();
  const ended: Event[] = [];
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (!line.includes(SUFFIX)) continue;
    const event = JSON.parse(line.replace(/,\s*$/, "")) as Event;
    if (event.cat !== "Node" || !event.name.endsWith(SUFFIX)) continue;
    const within = takeSince(ended, event.ts);
    ended.push(event);
    const name = event.name.slice(0, -SUFFIX.length);
    const operator = String(event.args.op_name);
    const kernel = kernels.get(name) ?? { name, operator, calls: 0, seconds: 0, bytes: 0 };
    kernel.calls++;
    kernel.seconds += Math.max(0, event.dur - within) / 1e6;
    // What a loop hands on is counted where it is used.
    if (within === 0) kernel.bytes += bytesOf(event);
    kernels.set(name, kernel);
  }
  return [...kernels.values()].sort((a, b) => b.seconds - a.seconds);
}

/** Events are written as they end, so those of a loop's body stand before the loop: takes them out, and sums them. */
function takeSince(ended: Event[], start: number): number {
  let sum = 0;
  for (let last = ended.at(-1); last && last.ts >= start; last = ended.at(-1)) {
    sum += last.dur;
    ended.pop();
  }
  return sum;
}

const bytesOf = ({ args }: Event): number =>
  ["activation_size", "parameter_size", "output_size"].reduce((sum, name) => sum + Number(args[name] ?? 0), 0);
