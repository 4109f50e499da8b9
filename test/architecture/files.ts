import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { packageRoot } from "../support/package-root.ts";

/** Top-level declarations: whether they are exported, their kind, their name. */
const DECLARATIONS =
  /^(export )?(?:abstract |async )*(class|const|enum|function|interface|type)\*? (\w+)/gm;
/** Ids of checks. */
const CHECK_IDS = /^\s*id: "([\w-]+\/)(\d+)",$/gm;
/** More names than these say little more about a file; exported values are shown beyond them. */
const MOST_NAMES = 8;

/** Returns the files of `src` as ARCHITECTURE.md has them: a line for each room or device type. */
export function filesAsMarkdown(): string {
  const lines = new Map<string, Map<string, string[]>>();
  const paths = readdirSync(join(packageRoot, "src"), { recursive: true, encoding: "utf8" });
  for (const path of paths.filter((each) => each.endsWith(".ts")).toSorted(byFolder)) {
    const folder = dirname(path);
    if (basename(path) === "index.ts" || folder === ".") continue;
    const line = lineOf(folder);
    const folders = lines.get(line) ?? new Map<string, string[]>();
    lines.set(line, folders);
    folders.set(folder, [...(folders.get(folder) ?? []), entryOf(path)]);
  }
  const inOrder = [...lines].toSorted(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return inOrder.map(([line, folders]) => `- **${line}**: ${foldersOf(line, folders)}\n`).join("");
}

/** Files of a folder come before those of the folders in it. */
function byFolder(a: string, b: string): number {
  if (dirname(a) !== dirname(b)) return dirname(a) < dirname(b) ? -1 : 1;
  return a < b ? -1 : 1;
}

/** Returns the folder whose line has the files of a folder. */
function lineOf(folder: string): string {
  const parts = folder.split("/");
  if (parts[0] === "public") return "public";
  // A device type that is a single file shares the line of the folder above.
  const isMany = parts[1] === "devices" || parts[1] === "kits" || parts[0] === "app";
  const isSingle = readdirSync(join(packageRoot, "src", folder)).length === 1;
  return parts.slice(0, isMany && !isSingle ? 3 : 2).join("/");
}

function foldersOf(line: string, folders: ReadonlyMap<string, readonly string[]>): string {
  return [...folders]
    .map(([folder, files]) => {
      const below = folder.slice(line.length + 1);
      return `${below === "" ? "" : `**${below}/** `}${files.join("; ")}`;
    })
    .join(". ");
}

/** Returns a file's name, with what it declares where that differs from its name. */
function entryOf(path: string): string {
  const name = basename(path, ".ts");
  const text = readFileSync(join(packageRoot, "src", path), "utf8");
  const words = [...idsOf(text), ...namesOf(text, name)];
  return words.length === 0 ? `\`${name}\`` : `\`${name}\` ${words.join(" ")}`;
}

/** Returns the check ids of a file, as ranges: `blk/1–12 18–32`. */
function idsOf(text: string): string[] {
  const ids = [...text.matchAll(CHECK_IDS)];
  const section = ids[0]?.[1];
  if (section === undefined) return [];
  const numbers = ids.map(([, , number]) => Number(number)).toSorted((a, b) => a - b);
  const starts = numbers.filter((number) => !numbers.includes(number - 1));
  const ends = numbers.filter((number) => !numbers.includes(number + 1));
  const ranges = starts.map((start, at) =>
    start === ends[at] ? `${start}` : `${start}–${ends[at]}`,
  );
  return [`${section}${ranges.join(" ")}`];
}

/** Returns exported names before others, values before types. */
function namesOf(text: string, file: string): string[] {
  const declared = [...text.matchAll(DECLARATIONS)].map(([, exported, kind = "", name = ""]) => ({
    name,
    rank: (exported === undefined ? 2 : 0) + (kind === "interface" || kind === "type" ? 1 : 0),
  }));
  const named = declared
    .filter(({ name }) => name.toLowerCase() !== file.replaceAll("-", ""))
    .toSorted((a, b) => a.rank - b.rank);
  const shown = named.filter((each, at) => each.rank === 0 || at < MOST_NAMES);
  return [...new Set(shown.map(({ name }) => name))];
}

/** Wings from the bottom upwards, as everywhere in ARCHITECTURE.md. */
function rank(folder: string): number {
  return ["core", "endpoints", "lab", "app", "public"].indexOf(folder.split("/")[0] ?? "");
}
