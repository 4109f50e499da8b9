import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

export interface Heading {
  readonly level: number;
  readonly text: string;
}

export interface CodeBlock {
  /** What stands behind the opening fence: `console`, `ts` … */
  readonly language: string;
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
  let open: { language: string; lines: string[] } | undefined;
  for (const line of readFileSync(join(packageRoot, path), "utf8").split("\n")) {
    if (line.startsWith("```")) {
      if (open) blocks.push({ language: open.language, text: open.lines.join("\n") });
      open = open ? undefined : { language: line.slice(3).trim(), lines: [] };
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

/** A command of a `console` block and what it printed. */
export interface Step {
  readonly command: string;
  readonly output: readonly string[];
}

/** Splits a `console` block: lines that begin with `$ ` are commands. */
export function consoleSteps({ text }: CodeBlock): Step[] {
  const steps: { command: string; output: string[] }[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), output: [] });
    else steps.at(-1)?.output.push(line);
  }
  return steps;
}
