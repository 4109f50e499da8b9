import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { packageRoot } from "../support/package-root.ts";

/** Top-level declarations: whether they are exported, and their name. */
const DECLARATIONS =
  /^(export )?(?:abstract |async )*(?:class|const|enum|function|interface|type)\*? (\w+)/gm;
/** Methods of classes, whose lines are indented by two. */
const METHODS = /^ {2}(?:private |static |async |get |set )*(#?[a-z]\w*)(?:<[^>]*>)?\(/gm;
const CLASS = /^(?:export )?(?:abstract )?class /m;
/** Ids of checks. */
const CHECK_IDS = /^\s*id: "([\w-]+\/)(\d+)",$/gm;
/** A name that more files have says nothing about any of them. */
const MOST_FILES = 2;

interface SourceFile {
  readonly folder: string;
  readonly name: string;
  readonly ids: readonly string[];
  /** What it declares, exported names first; methods last. */
  readonly symbols: readonly string[];
}

/** Returns the files of `src` as ARCHITECTURE.md has them: a line for each room or device type. */
export function filesAsMarkdown(): string {
  const files = readFiles();
  const usual = usualSymbols(files);
  const lines = new Map<string, Map<string, string[]>>();
  for (const file of files) {
    const line = lineOf(file.folder);
    const folders = lines.get(line) ?? new Map<string, string[]>();
    lines.set(line, folders);
    const symbols = file.symbols.filter((symbol) => !usual.has(symbol) && !isNameOf(file, symbol));
    const entry = [`\`${file.name}\``, ...file.ids, ...symbols].join(" ");
    folders.set(file.folder, [...(folders.get(file.folder) ?? []), entry]);
  }
  const inOrder = [...lines].toSorted(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return inOrder.map(([line, folders]) => `- **${line}**: ${foldersOf(line, folders)}\n`).join("");
}

function readFiles(): SourceFile[] {
  const paths = readdirSync(join(packageRoot, "src"), { recursive: true, encoding: "utf8" });
  return paths
    .filter((path) => path.endsWith(".ts") && basename(path) !== "index.ts")
    .toSorted(byFolder)
    .map((path) => {
      const text = readFileSync(join(packageRoot, "src", path), "utf8");
      const declared = [...text.matchAll(DECLARATIONS)].toSorted(
        ([, a], [, b]) => Number(a === undefined) - Number(b === undefined),
      );
      const methods = CLASS.test(text) ? [...text.matchAll(METHODS)] : [];
      const symbols = [
        ...declared.map(([, , name = ""]) => name),
        ...methods.map(([, name = ""]) => name),
      ];
      return {
        folder: dirname(path),
        name: basename(path, ".ts"),
        ids: idsOf(text),
        symbols: [...new Set(symbols)],
      };
    });
}

function usualSymbols(files: readonly SourceFile[]): Set<string> {
  const counts = new Map<string, number>();
  for (const symbol of files.flatMap(({ symbols }) => symbols)) {
    counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
  }
  return new Set([...counts].filter(([, count]) => count > MOST_FILES).map(([symbol]) => symbol));
}

function isNameOf({ name }: SourceFile, symbol: string): boolean {
  return symbol.toLowerCase() === name.replaceAll("-", "");
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

/** Wings from the bottom upwards, as everywhere in ARCHITECTURE.md. */
function rank(folder: string): number {
  return ["core", "endpoints", "lab", "app", "public"].indexOf(folder.split("/")[0] ?? "");
}
