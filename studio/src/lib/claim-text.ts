/** Claims as text, by the same rules as reports. */
import { intervalText, measuredText, publishedText } from "../../../src/report/format.ts";
import type { ClaimResult } from "../../../src/report/result.ts";
import type { PaperClaim } from "../../../src/studio/api.ts";
import type { ClaimJson } from "./claims.ts";

/** A claim as reports have it: JSON has no word for what is not a number. */
function resultOf(claim: ClaimJson): ClaimResult {
  const { note, ...rest } = claim;
  return {
    ...rest,
    published: claim.published ?? Number.NaN,
    measured: claim.measured ?? Number.NaN,
    spread: { ...claim.spread, std: claim.spread.std ?? Number.NaN },
    ...(note === undefined ? {} : { note }),
  };
}

/** `≥ 90 % (± 1)`. */
export const published = (claim: ClaimJson): string => publishedText(resultOf(claim));
/** `96.21 ± 0.43 %`. */
export const measured = (claim: ClaimJson): string => measuredText(resultOf(claim));
/** `95 %: 95.1 to 97.3`. */
export const interval = (claim: ClaimJson): string => intervalText(resultOf(claim));

/** The published figure of a claim that has not been measured. */
export const claimed = ({ figure, ...claim }: PaperClaim): string =>
  publishedText({ ...claim, published: figure } as unknown as ClaimResult);
