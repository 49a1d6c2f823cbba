import { expect, test } from "vitest";
import { medianRates, openRoofline } from "../../bench/roofline.ts";

test("the machine's rates are measured as often as asked, and are rates", async () => {
  const roofline = await openRoofline(2);
  try {
    const all = [await roofline.measure(), await roofline.measure()];
    const { gemm, gemmOneThread, copy, copyOneThread, read } = medianRates(all);
    // Far below and above what any machine does.
    for (const rate of [gemm, gemmOneThread]) expect(rate > 1e7 && rate < 1e16).toBe(true);
    for (const rate of [copy, copyOneThread, read]) expect(rate > 1e7 && rate < 1e14).toBe(true);
  } finally {
    await roofline.close();
  }
});
