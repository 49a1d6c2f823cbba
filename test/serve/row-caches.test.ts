import fc from "fast-check";
import { expect, it } from "vitest";
import { tensor, zeros } from "../../src/array/index.ts";
import type { StackCache } from "../../src/models/index.ts";
import { RowCaches } from "../../src/serve/index.ts";

const [heads, extent, rows, longest] = [2, 3, 4, 1000];
const cacheOf = ({ batch, length }: { batch: number; length: number }): StackCache => [
  { mixer: { keys: zeros([batch, heads, length, extent]), values: zeros([batch, length, 1]) } },
];
/** What position `at` of text `text` leaves behind: numbers that nothing else leaves. */
const keyOf = (text: number, at: number, head: number, i: number): number => 10_000 * text + 10 * at + 3 * head + i;
/** As a graph gives it, for one row, from a position on; one more position than is asked for is padding. */
const fresh = (text: number, from: number, count: number): StackCache => [
  {
    mixer: {
      keys: tensor(
        Float32Array.from({ length: 2 * heads * (count + 1) * extent }, (_, n) => {
          const [i, at, head] = [
            n % extent,
            Math.floor(n / extent) % (count + 1),
            Math.floor(n / extent / (count + 1)) % heads,
          ];
          return n < heads * (count + 1) * extent ? -1 : keyOf(text, from + at, head, i);
        }),
        { shape: [2, heads, count + 1, extent] },
      ),
      values: tensor(
        Float32Array.from({ length: 2 * (count + 1) }, (_, n) => 10_000 * text + from + n - count - 1),
        { shape: [2, count + 1, 1] },
      ),
    },
  },
];

it("holds what was written to each row, however rows grow, move and leave", () => {
  const action = fc.oneof(
    fc.record({ do: fc.constant("write" as const), row: fc.nat(rows - 1), count: fc.integer({ min: 1, max: 180 }) }),
    fc.record({ do: fc.constant("move" as const), row: fc.nat(rows - 1), to: fc.nat(rows - 1) }),
    fc.record({ do: fc.constant("clear" as const), row: fc.nat(rows - 1) }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 25 }), (actions) => {
      const caches = new RowCaches(cacheOf, { rows, longest });
      const texts = Array.from({ length: rows }, (_, text) => ({ text, seen: 0 }));
      let made = rows;
      for (const each of actions) {
        const row = texts[each.row] as { text: number; seen: number };
        if (each.do === "clear") texts[each.row] = { text: made++, seen: 0 };
        else if (each.do === "move") {
          caches.fit(Math.max(1, ...texts.map(({ seen }) => seen)));
          caches.move(each.row, each.to, row.seen);
          texts[each.to] = { ...row };
        } else if (row.seen + each.count <= longest) {
          caches.fit(Math.max(row.seen + each.count, ...texts.map(({ seen }) => seen)));
          caches.write(fresh(row.text, row.seen, each.count), 1, each.row, row.seen, each.count);
          row.seen += each.count;
        }
      }
      if (caches.length === 0) return;
      const [{ mixer }] = caches.view(rows) as unknown as [
        { mixer: { keys: { data: Float32Array }; values: { data: Float32Array } } },
      ];
      texts.forEach(({ text, seen }, row) => {
        for (let at = 0; at < seen; at++) {
          expect(mixer.values.data[row * caches.length + at]).toBe(10_000 * text + at);
          for (let head = 0; head < heads; head++)
            for (let i = 0; i < extent; i++)
              expect(mixer.keys.data[((row * heads + head) * caches.length + at) * extent + i]).toBe(
                keyOf(text, at, head, i),
              );
        }
      });
    }),
    { numRuns: 100 },
  );
});

it("is as long as the longest row needs, in powers of two", () => {
  const caches = new RowCaches(cacheOf, { rows: 1, longest });
  const lengths = [1, 128, 129, 600, 999, 300, 129, 1].map((positions) => {
    caches.fit(positions);
    return caches.length;
  });
  // Given back only when a quarter would do.
  expect(lengths).toEqual([128, 128, 256, 1000, 1000, 1000, 1000, 128]);
  expect(caches.bytesPerPosition).toBe(4 * (heads * extent + 1));
  expect(() => caches.fit(1001)).toThrow("at most 1000 positions, got 1001");
});

it("shows graphs the memory itself, some rows of it", () => {
  const caches = new RowCaches(cacheOf, { rows, longest });
  caches.fit(10);
  const [{ mixer }] = caches.view(1, 2) as unknown as [
    { mixer: { keys: { data: Float32Array; shape: readonly number[] } } },
  ];
  expect(mixer.keys.shape).toEqual([1, heads, 128, extent]);
  expect(mixer.keys.data[0]).toBe(0);
  caches.write(fresh(7, 0, 1), 1, 2, 0, 1);
  expect(mixer.keys.data[0]).toBe(keyOf(7, 0, 0, 0));
});
