/** Progress of studies that work piece by piece, some of which train. */
import type { StudyContext } from "../report/index.ts";
import type { Progress } from "./loop.ts";

/**
 * Counts pieces of work. What it gives is called when a piece begins, with what is done in it, and gives an `onProgress`
 * for training in that piece: it moves `done` on within the piece and tells the loss by the name of the model, which is
 * that of the piece unless told otherwise, or by the names of all that train together. `done`: pieces done before; 0 by
 * default.
 */
export function pieceProgress(
  { progress }: Pick<StudyContext, "progress">,
  { total, unit, done = 0 }: { readonly total: number; readonly unit: string; readonly done?: number },
): (stage: string, model?: string) => (at: Progress) => void {
  let pieces = done;
  return (stage, model = stage) => {
    const before = pieces++;
    progress({ stage, done: before, total, unit });
    // A piece may train several times; what is done of it does not become less.
    let share = 0;
    return ({ step, steps, loss, losses = { [model]: loss } }) => {
      share = Math.max(share, step / steps);
      progress({ stage, done: before + share, total, unit, training: { step, losses } });
    };
  };
}
