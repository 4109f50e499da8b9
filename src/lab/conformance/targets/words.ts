import { UsageError } from "../../../core/base/index.ts";

/**
 * The words of a command line, as a shell would split them, without anything else that a shell does:
 * so that the process which starts is the program itself.
 *
 * @throws {UsageError} a quote is not closed, or there is no word
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  const pattern = /\s*((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)/gsy;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    words.push((match[1] ?? "").replaceAll(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs, unquote));
    end = match.index + match[0].length;
  }
  if (text.slice(end).trim() !== "") {
    throw new UsageError(`a quote is not closed: ${text.slice(end).trim()}; write its end`);
  }
  if (words.length === 0) throw new UsageError("the command must not be empty");
  return words;
}

/**
 * The words of a command, or those that make a shell run it.
 *
 * @throws {UsageError}
 */
export function wordsOf(command: string, shell: boolean): string[] {
  return shell ? ["/bin/sh", "-c", command] : splitWords(command);
}

/**
 * The words of a command that has a place for the path of a socket.
 *
 * @throws {UsageError} as {@link wordsOf}, or there is no `{socket}`: whatever the program did, the
 *   path would never be used
 */
export function wordsWithPlace(command: string, shell: boolean): string[] {
  const words = wordsOf(command, shell);
  requireSocketPlace(words);
  return words;
}

/** @throws {UsageError} no word has `{socket}` */
export function requireSocketPlace(words: readonly string[]): void {
  if (words.some((word) => word.includes("{socket}"))) return;
  throw new UsageError(
    `the command has no {socket}: write {socket} where it takes the path of the socket: ${words.join(" ")}`,
  );
}

/** Replaces `{name}` in words by its value; other braces stay. */
export function fillIn(
  words: readonly string[],
  places: Readonly<Record<string, string>>,
): string[] {
  return words.map((word) =>
    word.replaceAll(/\{(\w+)\}/g, (all, name: string) => places[name] ?? all),
  );
}

function unquote(_all: string, escaped?: string, double?: string, single?: string): string {
  return escaped ?? double?.replaceAll(/\\(["\\$`])/g, "$1") ?? single ?? "";
}
