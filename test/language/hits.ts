import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readLaw, roomOf } from "../architecture/law.ts";
import { packageRoot } from "../support/package-root.ts";
import { type Exemption, exemptions, type Phrase, phrases } from "./phrases.ts";

/** One use of a retired word or phrase. */
export interface Hit {
  readonly room: string;
  readonly path: string;
  readonly line: number;
  readonly phrase: Phrase;
  readonly text: string;
}

const FOLDERS = ["src", "test", "native", "scripts", "bench", "examples", "bin", "docs"];
const TEXTS = /\.(?:ts|mjs|js|c|h|md)$/;
/** The list of phrases itself, pages that are generated from other files, and other languages. */
const LEFT_OUT = /^test\/language\/|^docs\/(?:ja|reference)\/|\.ja\.md$/;

const law = readLaw();

/** What `npm run docs` writes into a page from other files, whose hits count there. */
const GENERATED = /<!-- files: [^]*?<!-- \/files -->/;

/** Finds every use of a retired phrase in the sources, tests and documents. */
export function findHits(): Hit[] {
  return texts().flatMap((path) => hitsOf(path, textOf(path)));
}

/** Finds the hits of one text. @param allowed uses that are right */
export function hitsOf(path: string, text: string, allowed = exemptions): Hit[] {
  const lines = text.split("\n");
  const room = roomFor(path);
  return phrases
    .filter((phrase) => phrase.in?.some((start) => path.startsWith(start)) ?? true)
    .flatMap((phrase) =>
      [...text.matchAll(phrase.pattern)].map(({ index }) => {
        const line = text.slice(0, index).split("\n").length;
        return { room, path, line, phrase, text: (lines[line - 1] ?? "").trim() };
      }),
    )
    .filter((hit) => !allowed.some((exemption) => exempts(exemption, hit)));
}

/** Exemptions whose line is gone. */
export function unusedExemptions(): Exemption[] {
  const hits = texts().flatMap((path) => hitsOf(path, textOf(path), []));
  return exemptions.filter((exemption) => !hits.some((hit) => exempts(exemption, hit)));
}

/** Counts hits by room. */
export function countByRoom(hits: readonly Hit[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { room } of hits) counts[room] = (counts[room] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function textOf(path: string): string {
  return readFileSync(join(packageRoot, path), "utf8").replace(GENERATED, "");
}

function exempts({ path, text }: Exemption, hit: Hit): boolean {
  return path === hit.path && hit.text.includes(text);
}

/** Rooms of the law in src, tiers of tests, folders, and pages of their own. */
function roomFor(path: string): string {
  const [top = "", second = "", ...rest] = path.split("/");
  if (top === "src") return `src/${roomOf(path.slice(4), law)?.room ?? second}`;
  return top === "test" && rest.length > 0 ? `test/${second}` : top;
}

function texts(): string[] {
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(join(packageRoot, folder), { recursive: true, encoding: "utf8" }).map(
      (path) => `${folder}/${path}`,
    ),
  );
  return [...readdirSync(packageRoot), ...inFolders]
    .filter((path) => TEXTS.test(path) && !LEFT_OUT.test(path))
    .sort();
}
