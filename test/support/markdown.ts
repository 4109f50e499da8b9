import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

export interface Heading {
  readonly level: number;
  readonly text: string;
}

export interface CodeBlock {
  /** The first word behind the opening fence: `console`, `ts` … */
  readonly language: string;
  /** The words after it: `programs` marks commands that need real programs. */
  readonly tag: string;
  readonly text: string;
}

export interface Document {
  readonly headings: readonly Heading[];
  readonly blocks: readonly CodeBlock[];
  /** Everything outside of code blocks. */
  readonly prose: string;
}

/** Reads a Markdown file of the package; fences begin at the line's start. */
export function readDocument(path: string): Document {
  const headings: Heading[] = [];
  const blocks: CodeBlock[] = [];
  const prose: string[] = [];
  let open: { language: string; tag: string; lines: string[] } | undefined;
  for (const line of readFileSync(join(packageRoot, path), "utf8").split("\n")) {
    if (line.startsWith("```")) {
      if (open) blocks.push({ ...open, text: open.lines.join("\n") });
      const [language = "", ...words] = line.slice(3).trim().split(" ");
      open = open ? undefined : { language, tag: words.join(" "), lines: [] };
    } else if (open) {
      open.lines.push(line);
    } else {
      prose.push(line);
      const heading = /^(#+) (.*)$/.exec(line);
      if (heading) headings.push({ level: heading[1]?.length ?? 0, text: heading[2] ?? "" });
    }
  }
  if (open) throw new Error(`${path}: a code block is not closed`);
  return { headings, blocks, prose: prose.join("\n") };
}

/** Returns the Markdown files of a folder of the package, without those of folders below it. */
export function pagesIn(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .toSorted()
    .map((name) => `${folder}/${name}`);
}

/** A command of a `console` block and what it printed. */
export interface Step {
  readonly command: string;
  readonly output: readonly string[];
}

/** Splits a `console` block: lines that begin with `$ ` are commands, `\` at the end continues one. */
export function consoleSteps({ text }: Pick<CodeBlock, "text">): Step[] {
  const steps: { command: string; output: string[] }[] = [];
  for (const line of text.split("\n")) {
    const last = steps.at(-1);
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), output: [] });
    else if (last?.command.endsWith("\\")) last.command += `\n${line}`;
    else last?.output.push(line);
  }
  return steps;
}
