/** `--profile` of verbs that run graphs. */
import { join } from "node:path";
import { type Profile, profiled } from "../array/index.ts";
import { writeFileAtomic } from "../data/files.ts";
import { formatDuration } from "../report/format.ts";
import { byLine, byPrimitive, profileFlame, profileTable } from "../report/profile.ts";
import type { SectionsReport } from "../report/sections-page.ts";
import { columns } from "./text.ts";

/** Lines of each table that a terminal shows; the page has more. */
const LINES = 10;

export interface ProfiledCommand {
  /** Whether a profile is asked for. */
  readonly profile?: boolean | undefined;
  readonly device: string;
  /** What is measured, for the title. */
  readonly title: string;
  readonly command: string;
}

/**
 * Runs `work`, which says in which folder its files lie. With `profile` it is measured where the time of graphs goes:
 * the tables are printed, and `profile.html` and `profile.json` are written into that folder.
 */
export async function withProfile(
  { profile: wanted, ...about }: ProfiledCommand,
  work: () => Promise<string | undefined>,
): Promise<void> {
  if (!wanted) {
    await work();
    return;
  }
  const { result: folder, profile } = await profiled(work);
  // Work that was stopped leaves no report either.
  if (folder === undefined) return;
  const page = join(folder, "profile.html");
  // Plots need a DOM and more: loaded at the end, so that verbs start at once.
  const { renderSections } = await import("../report/sections-page.ts");
  await writeFileAtomic(page, renderSections(profilePage(profile, about)));
  await writeFileAtomic(join(folder, "profile.json"), `${JSON.stringify(profile, null, 2)}\n`);
  process.stderr.write(`${profileText(profile)}\nprofile ${page}\n`);
}

function profileText(profile: Profile): string {
  const tables = [
    ["primitive", byPrimitive(profile)],
    ["line", byLine(profile)],
  ] as const;
  return [
    `${formatDuration(profile.seconds)} in ${profile.runs.toLocaleString("en")} runs of graphs${recordedText(profile)}`,
    ...tables.map(([first, rows]) => {
      const table = profileTable("", first, rows);
      return `\n${columns(
        [table.columns, ...table.rows.slice(0, LINES)].map((row) => row.map(String)),
        {
          align: ["left", ...Array<"right">(table.columns.length - 1).fill("right")],
          wrapped: 0,
        },
      )}`;
    }),
  ].join("\n");
}

const recordedText = ({ recorded }: Profile): string =>
  recorded > 0.995 ? "" : `; ${Math.round(100 * recorded)} % of that was recorded, and scaled up`;

const profilePage = (
  profile: Profile,
  { title, command, device }: Omit<ProfiledCommand, "profile">,
): SectionsReport => ({
  kicker: "Profile",
  title,
  text: `Where ${formatDuration(profile.seconds)} in ${profile.runs.toLocaleString("en")} runs of graphs went${recordedText(profile)}.`,
  sections: [
    {
      title: "Functions",
      text: "What the program asked for, from the outermost function down to the primitives of the array language.",
      figures: [profileFlame(profile)],
    },
    {
      title: "Primitives and lines",
      text: "The runtime joins some operators to one, whose time counts for the first of them; rates count what products compute and what operators read and write.",
      figures: [
        profileTable("By primitive", "primitive", byPrimitive(profile)),
        profileTable("By line", "line", byLine(profile)),
      ],
    },
  ],
  facts: [["Command", command]],
  device,
});
