import { statSync } from "node:fs";

/** Delimiters within the words of programs: `--image=PATH`, `driver=file,filename=PATH`. */
const DELIMITERS = /[=,]/;

/**
 * Returns the regular file of this size that a command names: the image of its disk. Undefined if
 * there is none, or several.
 */
export function namedFile(words: readonly string[], bytes: number): string | undefined {
  const parts = words.flatMap((word) => [word, ...word.split(DELIMITERS)]);
  const files = new Set(parts.filter((part) => part !== "" && sizeOf(part) === bytes));
  const [only] = files;
  return files.size === 1 ? only : undefined;
}

function sizeOf(path: string): number | undefined {
  try {
    const file = statSync(path, { throwIfNoEntry: false });
    return file?.isFile() ? file.size : undefined;
  } catch {
    // Not every word can be a path, e.g. one that is too long.
    return undefined;
  }
}
