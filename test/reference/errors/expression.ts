/**
 * A light reader of TypeScript expressions, for what the pages of the reference take from the
 * sources: it knows strings, templates, comments and brackets, and no regular expressions.
 */

const OPEN = "([{";
const CLOSE = ")]}";

/** Returns the index behind a string, template, comment or bracket that begins at `at`. */
function skip(text: string, at: number): number {
  const char = text.charAt(at);
  if (text.startsWith("//", at)) return endOr(text, text.indexOf("\n", at), 0);
  if (text.startsWith("/*", at)) return endOr(text, text.indexOf("*/", at), 2);
  if (char === '"' || char === "'") return behindString(text, at);
  if (char === "`") return behindTemplate(text, at);
  if (!OPEN.includes(char)) return at + 1;
  let next = at + 1;
  while (next < text.length && !CLOSE.includes(text.charAt(next))) next = skip(text, next);
  return next + 1;
}

function endOr(text: string, found: number, length: number): number {
  return found < 0 ? text.length : found + length;
}

function behindString(text: string, at: number): number {
  let next = at + 1;
  while (next < text.length && text[next] !== text[at]) next += text[next] === "\\" ? 2 : 1;
  return next + 1;
}

function behindTemplate(text: string, at: number): number {
  let next = at + 1;
  while (next < text.length && text[next] !== "`") {
    if (text[next] === "\\") next += 2;
    else next = text.startsWith("${", next) ? skip(text, next + 1) : next + 1;
  }
  return next + 1;
}

/**
 * Splits an expression where an operator is outside of strings and brackets.
 *
 * @param operators longest first, with their blanks, e.g. ` ?? `
 */
export function splitAt(text: string, operators: readonly string[]): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length;) {
    const operator = operators.find((each) => text.startsWith(each, at));
    if (operator === undefined) {
      at = skip(text, at);
      continue;
    }
    parts.push(text.slice(from, at));
    at += operator.length;
    from = at;
  }
  return [...parts, text.slice(from)].map((part) => part.trim());
}

/** Returns the text from `at` up to the first of `ends` outside of strings and brackets. */
export function upTo(text: string, at: number, ends: string): string {
  let next = at;
  while (next < text.length && !ends.includes(text.charAt(next))) next = skip(text, next);
  return text.slice(at, next);
}

/** Splits the arguments of a call, whose opening bracket is at `at`. */
export function argumentsAt(text: string, at: number): string[] {
  const inside = text.slice(at + 1, skip(text, at) - 1);
  return splitAt(inside, [","]).filter((argument) => argument !== "");
}

/** A part of a template: text, or the source of what is put there. */
export interface TemplatePart {
  readonly text?: string;
  readonly source?: string;
}

/** Takes a string or template literal apart; undefined for any other expression. */
export function literalParts(source: string): TemplatePart[] | undefined {
  const quote = source.charAt(0);
  if (!"\"'`".includes(quote) || quote === "" || skip(source, 0) !== source.length)
    return undefined;
  const body = source.slice(1, -1);
  if (quote !== "`") return [{ text: unescaped(body) }];
  const parts: TemplatePart[] = [];
  let text = "";
  for (let at = 0; at < body.length;) {
    if (body.startsWith("${", at)) {
      const end = skip(body, at + 1);
      parts.push({ text: unescaped(text) }, { source: body.slice(at + 2, end - 1).trim() });
      text = "";
      at = end;
    } else {
      const length = body[at] === "\\" ? 2 : 1;
      text += body.slice(at, at + length);
      at += length;
    }
  }
  return [...parts, { text: unescaped(text) }];
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/gs, (_, char: string) => (char === "n" ? "\n" : char));
}
