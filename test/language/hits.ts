import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../support/package-root.ts";
import { type Exemption, exemptions, type Phrase, phrases } from "./phrases.ts";

/** One use of a retired word or phrase. */
export interface Hit {
  readonly path: string;
  readonly line: number;
  readonly phrase: Phrase;
  readonly text: string;
}

const FOLDERS = ["src", "test", "native", "scripts", "bench", "examples", "bin", "docs"];
const TEXTS = /\.(?:ts|mjs|js|c|h|md)$/;
/** The list of phrases itself, pages that are generated from other files, and other languages. */
const LEFT_OUT = /^test\/language\/|^docs\/(?:ja|reference)\/|\.ja\.md$/;

/** What `npm run docs` writes into a page from other files, whose hits count there. */
const GENERATED = /<!-- files: [^]*?<!-- \/files -->/;

/** Finds every use of a retired phrase in the sources, tests and documents. */
export function findHits(): Hit[] {
  return texts().flatMap((path) => hitsOf(path, textOf(path)));
}

/** Finds the hits of one text. @param allowed uses that are right */
export function hitsOf(path: string, text: string, allowed = exemptions): Hit[] {
  const lines = text.split("\n");
  return phrases
    .filter((phrase) => phrase.in?.some((start) => path.startsWith(start)) ?? true)
    .flatMap((phrase) =>
      [...text.matchAll(phrase.pattern)].map(({ index }) => {
        const line = text.slice(0, index).split("\n").length;
        return { path, line, phrase, text: (lines[line - 1] ?? "").trim() };
      }),
    )
    .filter((hit) => !allowed.some((exemption) => exempts(exemption, hit)));
}

/** Exemptions whose line is gone. */
export function unusedExemptions(): Exemption[] {
  const hits = texts().flatMap((path) => hitsOf(path, textOf(path), []));
  return exemptions.filter((exemption) => !hits.some((hit) => exempts(exemption, hit)));
}

/** Describes a hit on one line: its place, what is retired, and what to write instead. */
export function describeHit({ path, line, phrase, text }: Hit): string {
  return `${path}:${line}: ${phrase.name} (${phrase.use}): ${text}`;
}

function textOf(path: string): string {
  return readFileSync(join(packageRoot, path), "utf8").replace(GENERATED, "");
}

function exempts({ path, text }: Exemption, hit: Hit): boolean {
  return path === hit.path && hit.text.includes(text);
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
