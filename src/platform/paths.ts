/** Paths in a browser, where folders are parted by slashes and the working folder is the root. */

/** The path from the root, without `.`, `..` and slashes at the end. */
export function resolve(...parts: readonly string[]): string {
  const names: string[] = [];
  const rooted = parts.slice(
    Math.max(
      0,
      parts.findLastIndex((part) => part.startsWith("/")),
    ),
  );
  for (const name of rooted.join("/").split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}

export function join(...parts: readonly string[]): string {
  const joined = parts.filter((part) => part !== "").join("/");
  return joined.startsWith("/") ? resolve(joined) : resolve(joined).slice(1) || ".";
}

export const basename = (path: string): string => resolve(path).split("/").at(-1) as string;

export const dirname = (path: string): string =>
  path.replace(/\/+$/, "").replace(/\/?[^/]*$/, "") || (path.startsWith("/") ? "/" : ".");

/** How `to` is reached from `from`. */
export function relative(from: string, to: string): string {
  const [a, b] = [from, to].map((path) => resolve(path).split("/").filter(Boolean)) as [string[], string[]];
  let shared = 0;
  while (shared < a.length && a[shared] === b[shared]) shared++;
  return [...a.slice(shared).map(() => ".."), ...b.slice(shared)].join("/");
}
