/** What tests keep on disk for a while. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { openTokens, type TokenFile, writeTokens } from "../src/data/index.ts";

/** A folder of its own, removed once the tests of the file, or of the group that asks for it, have ended. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fourward-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Tokens from 0 to below `vocabulary` in a file, closed and removed once the tests have ended. */
export async function tokenFile(vocabulary: number, tokens: ArrayLike<number>): Promise<TokenFile> {
  const path = join(temporaryFolder(), "tokens");
  await writeTokens(path, vocabulary, [tokens]);
  const file = openTokens(path);
  afterAll(() => file.close());
  return file;
}
