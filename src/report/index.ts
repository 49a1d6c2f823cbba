/** Claims, measurements, verdicts, figures, and the report of a study. */
export { type BootstrapOptions, bootstrapInterval } from "./bootstrap.ts";
export {
  type Claim,
  type Claims,
  type Direction,
  exactly,
  interval,
  type Measurement,
  type Measurements,
  spread,
  type Verdict,
  verdictOf,
} from "./claim.ts";
export { correlationPValue, partialCorrelation, pearson, spearman, withinGroups } from "./correlation.ts";
export type { Axis, BarPlot, Figure, Flame, FlameNode, LinePlot, PictureGrid, Point, Table } from "./figure.ts";
export { formatDuration, formatNumber, intervalText, measuredText, publishedText } from "./format.ts";
export { fitLine, type Line } from "./line.ts";
export {
  type CurveChange,
  curveChanges,
  type LossCurve,
  withChanges,
  withLosses,
} from "./loss-curves.ts";
export type { Machine } from "./machine.ts";
export { type PairedDifference, pairedDifference, pairedMeasurement } from "./paired.ts";
export { fitPowerLaw, type PowerLaw } from "./power-law.ts";
export { byLine, byPrimitive, type ProfileRow, profileFlame, profileTable } from "./profile.ts";
export type { ClaimResult, StudyResult } from "./result.ts";
export { type Measured, measureStudy, type RunOptions, runFolder, runStudy } from "./run.ts";
export { type ReportSection, renderSections, type SectionsReport } from "./sections-page.ts";
export { signTest } from "./sign-test.ts";
export { type SphereMapOptions, sphereMap } from "./sphere-map.ts";
export { studentTPValue } from "./student.ts";
export {
  type PaperFacts,
  paper,
  type Scale,
  SkippedError,
  StoppedError,
  type Study,
  type StudyContext,
  type StudyProgress,
  scales,
  type TrainingProgress,
} from "./study.ts";
export { average, meanText, measured, withoutSpread, withStd } from "./summary.ts";
export { median, speedMeasurement, type TimingOptions, timeInTurn } from "./timing.ts";
