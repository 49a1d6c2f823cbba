/**
 * Damage to the files of a checkpoint, from a seed: bytes changed, texts cut, values in JSON replaced by hostile ones.
 */

/** A generator of numbers from 0 to below 1. */
export function seeded(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values that readers tend to trust: numbers of every size, nothing, depth, long texts, names of prototypes. */
const hostile: readonly ((random: () => number) => unknown)[] = [
  () => 0,
  () => -1,
  () => 1.5,
  () => 1e308,
  () => 2 ** 53,
  () => 2 ** 31,
  () => 2 ** 40,
  () => 1e9,
  () => -0,
  () => null,
  () => true,
  () => "",
  () => "NaN",
  () => "\u0000\ud800",
  () => "x".repeat(5000),
  () => [],
  () => ({}),
  () => [[[[[[]]]]]],
  () => ({ constructor: 1, toString: 2 }),
  () => JSON.parse('{"__proto__":{"length":5}}'),
  () => deep(4000),
  (random) => Math.floor(random() * 100),
  (random) => Array.from({ length: Math.floor(random() * 5) }, () => Math.floor(random() * 10)),
];

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 ? [value] : { a: value };
  return value;
}

/** A JSON value with one to three places changed. */
function damagedValue(value: unknown, random: () => number): unknown {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const result = { root: structuredClone(value) } as Record<string, unknown>;
  for (let times = 1 + Math.floor(random() * 3); times > 0; times--) {
    let holder = result as Record<string, unknown>;
    let key = "root";
    // Goes down to a random place.
    while (typeof holder[key] === "object" && holder[key] !== null && random() < 0.85) {
      const keys = Object.keys(holder[key] as object);
      if (keys.length === 0) break;
      holder = holder[key] as Record<string, unknown>;
      key = pick(keys);
    }
    const kind = random();
    if (kind < 0.65) holder[key] = pick(hostile)(random);
    else if (kind < 0.8 && key !== "root") delete holder[key];
    else if (kind < 0.9) holder[`${key}${pick(["", "_", "s"])}`] = holder[key];
    else holder[pick(["model_type", "rope_scaling", "type", "vocab", "shape", "weight_map"])] = pick(hostile)(random);
  }
  return result.root;
}

/** Bytes changed, cut, doubled or put in. */
function damagedBytes(bytes: Uint8Array, random: () => number, reach = bytes.length): Uint8Array {
  const result = Uint8Array.from(bytes);
  const at = (): number => Math.floor(random() * Math.max(1, Math.min(reach, result.length)));
  const kind = random();
  if (kind < 0.6) {
    for (let times = 1 + Math.floor(random() * 8); times > 0; times--) result[at()] = Math.floor(random() * 256);
    return result;
  }
  if (kind < 0.8) return result.subarray(0, at());
  const [from, to] = [at(), at()];
  return Uint8Array.from([...result.subarray(0, from), ...result.subarray(to)]);
}

/** The damaged content of a file of a checkpoint. */
export function damaged(name: string, bytes: Uint8Array, random: () => number): Uint8Array {
  if (name.endsWith(".safetensors")) return damagedSafetensors(bytes, random);
  if (name.endsWith(".json") && random() < 0.7) {
    const text = JSON.stringify(damagedValue(JSON.parse(Buffer.from(bytes).toString()), random)) ?? "";
    // JSON has no such numbers; files of other writers do.
    return Buffer.from(random() < 0.05 ? text.replace(/:\d+/, ":NaN") : text);
  }
  return damagedBytes(bytes, random);
}

function damagedSafetensors(bytes: Uint8Array, random: () => number): Uint8Array {
  const length = Number(Buffer.from(bytes).readBigUInt64LE());
  if (random() < 0.5) return damagedBytes(bytes, random, random() < 0.8 ? 8 + length : bytes.length);
  const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString());
  const json = Buffer.from(JSON.stringify(damagedValue(header, random)) ?? "");
  const prefix = Buffer.alloc(8);
  const claimed = [json.length, json.length, json.length, 2 ** 40, 0, json.length + 1][
    Math.floor(random() * 6)
  ] as number;
  prefix.writeBigUInt64LE(BigInt(claimed));
  return Buffer.concat([prefix, json, bytes.subarray(8 + length)]);
}
