/** Regular expressions of tokenizers, which come from outside and are run on every text. */

/**
 * Whether an expression repeats without bound what is itself repeated without bound, such as `(a+)+`: on some texts such
 * ones take time that doubles with each character. No published tokenizer needs them.
 */
export function repeatsRepetition(expression: string): boolean {
  /** Whether the group at each depth holds a repetition. */
  const groups = [false];
  const top = (): boolean => groups.at(-1) as boolean;
  const isUnbounded = (at: number): boolean => /^([+*]|\{\d+,\})/.test(expression.slice(at, at + 16));
  for (let i = 0; i < expression.length; i++) {
    const character = expression[i];
    if (character === "\\") i++;
    else if (character === "[") {
      while (i + 1 < expression.length && expression[i + 1] !== "]") i += expression[i + 1] === "\\" ? 2 : 1;
      i++;
    } else if (character === "(") groups.push(false);
    else if (character === ")" && groups.length > 1) {
      const inner = groups.pop() as boolean;
      if (inner && isUnbounded(i + 1)) return true;
      groups[groups.length - 1] = top() || inner || isUnbounded(i + 1);
    } else if (isUnbounded(i)) groups[groups.length - 1] = true;
  }
  return false;
}

/** Throws one sentence if a tokenizer's file holds such an expression, or is nested beyond all use. */
export function checkExpressions(value: unknown, depth = 0): void {
  if (typeof value !== "object" || value === null) return;
  if (depth > 50) throw new Error("it is nested too deeply");
  for (const [name, item] of Object.entries(value)) {
    if (name === "Regex" && typeof item === "string" && repeatsRepetition(item))
      throw new Error(
        `the expression ${JSON.stringify(item.slice(0, 100))} repeats what is repeated, which can take forever`,
      );
    checkExpressions(item, depth + 1);
  }
}
