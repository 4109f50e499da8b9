import { argumentsAt, literalParts, splitAt } from "./expression.ts";
import type { SourceFile, SourceNames } from "./sources.ts";

/** Where an expression is, so that names in it can be looked up. */
export interface Place {
  readonly names: SourceNames;
  readonly file: SourceFile;
  readonly at: number;
}

/** A message of more alternatives than this has them as a placeholder. */
const MOST = 24;
const DEEPEST = 4;

/**
 * Returns what a message can be: each alternative with `<placeholders>` for what is known when the
 * program runs.
 */
export function templatesOf(source: string, place: Place, depth = 0): string[] {
  const text = flat(source);
  if (depth > DEEPEST) return [placeholder(text, place)];
  const alternatives = branches(text);
  if (alternatives !== undefined)
    return unique(alternatives.flatMap((each) => templatesOf(each, place, depth)));
  const sum = splitAt(text, [" + "]);
  if (sum.length > 1) return product(sum.map((each) => templatesOf(each, place, depth)));
  const parts = literalParts(text);
  if (parts !== undefined)
    return product(
      parts.map(({ text: own, source: inner = "" }, i) => {
        if (own !== undefined) return [own];
        const isClause = /(?:^|[:;] )$/.test(parts[i - 1]?.text ?? "");
        const said = isClause ? named(inner, place, depth) : undefined;
        return said ?? [placeholder(inner, place, depth)];
      }),
    );
  const lines = /^\[(.*)\]\.join\(.*\)$/s.exec(text)?.[1];
  if (lines !== undefined) return [linesOf(lines, place, depth)];
  return named(text, place, depth) ?? [placeholder(text, place)];
}

/** The branches of `a ? b : c`, `a ?? b`, `a || b` and `a && b`. */
function branches(text: string): string[] | undefined {
  const [condition, ...rest] = splitAt(text, [" ? "]);
  if (condition !== undefined && rest.length > 0) {
    const [yes = "", ...no] = splitAt(text.slice(condition.length + 3), [" : "]);
    return [yes, no.join(" : ")].filter((each) => each !== "undefined");
  }
  const either = splitAt(text, [" ?? ", " || "]);
  if (either.length > 1) return either.filter((each) => each !== '""');
  const both = splitAt(text, [" && "]);
  return both.length > 1 ? both.slice(-1) : undefined;
}

function linesOf(list: string, place: Place, depth: number): string {
  return splitAt(list, [","])
    .filter((each) => each !== "")
    .map((each) => templatesOf(each.replace(/^\.\.\./, ""), place, depth + 1)[0])
    .join("\n");
}

/** What a name or a call is, where the sources say so in words. */
function named(text: string, place: Place, depth: number): string[] | undefined {
  const { names, file, at } = place;
  const [, name] = /^(\w+)$/.exec(text) ?? [];
  if (name !== undefined) {
    const value = names.local(name, file, at) ?? names.constant(name);
    const all = value === undefined ? names.passedFor(name, file, at) : [value];
    return worded(
      all.flatMap((each) =>
        each === name ? [`<${nameOf(name)}>`] : templatesOf(each, place, depth + 1),
      ),
    );
  }
  const [, called, args = ""] = /^(?:[\w.]+\.)?(#?\w+)(\(.*\))$/s.exec(text) ?? [];
  if (called === undefined || /^(?:counted|join)/.test(called)) return undefined;
  const said = argumentsAt(args, 0).filter((each) => /^["`][^]* /.test(each));
  if (said.length > 0) return worded(said.flatMap((each) => templatesOf(each, place, depth + 1)));
  const returned = names.returnsOf(called, file).filter((each) => each !== "undefined");
  return worded(returned.flatMap((each) => templatesOf(each, place, depth + 1)));
}

/** Leaves out what says nothing in words. */
function worded(all: readonly string[]): string[] | undefined {
  const found = unique(all).filter((each) => each !== "");
  return found.length > MOST || !found.some(hasWords) ? undefined : found;
}

/** Whether a template says anything besides what its placeholders do. */
export function hasWords(template: string): boolean {
  return /[a-z]{2}/i.test(template.replaceAll(/<[^<>]*>/g, ""));
}

function product(parts: readonly (readonly string[])[]): string[] {
  let all = [""];
  for (const part of parts) {
    const next = all.flatMap((head) => part.map((tail) => head + tail));
    all = next.length > MOST ? all.map((head) => `${head}<${part.join("|")}>`) : next;
  }
  return unique(all);
}

/** A placeholder's name: what a reader makes of the expression. */
function placeholder(source: string, place: Place, depth = 0): string {
  const text = flat(source);
  const parts = literalParts(text);
  if (parts !== undefined) return templatesOf(text, place, depth + 1)[0] ?? "";
  const alternatives = / \? | && /.test(text) ? branches(text) : undefined;
  if (alternatives !== undefined) return choice(alternatives, place, depth);
  const [first = ""] = splitAt(text, [" ?? ", " || "]);
  const [, counting, inside = ""] = /^(counted|countedRange)(\(.*\))$/s.exec(first) ?? [];
  if (counting !== undefined) return countOf(counting, argumentsAt(inside, 0), place, depth);
  if (/^[A-Z][A-Z0-9_]*$/.test(first)) {
    const value = place.names.local(first, place.file, place.at) ?? place.names.constant(first);
    if (value !== undefined && /^[\d_]+$/.test(value)) return value.replaceAll("_", "");
    const said = value === undefined ? undefined : literalParts(flat(value));
    if (said !== undefined) return templatesOf(value ?? "", place, depth + 1)[0] ?? "";
  }
  return `<${nameOf(first)}>`;
}

function choice(alternatives: readonly string[], place: Place, depth: number): string {
  const all = alternatives.map((each) => placeholder(each, place, depth + 1));
  const said = unique(all.filter((each) => each !== ""));
  if (said.length === 1 && !/^<[^<>]*>$/.test(said[0] ?? "")) return `[${said[0]}]`;
  return `<${said.map((each) => each.replaceAll(/^<|>$/g, "")).join("|")}>`;
}

function countOf(name: string, args: readonly string[], place: Place, depth: number): string {
  const range = name === "countedRange";
  const shown = args.slice(0, range ? 2 : 1).map((each) => placeholder(each, place, depth + 1));
  const [singular = "", plural] = args
    .slice(shown.length)
    .map((each) => literalParts(each)?.[0]?.text);
  return `${shown.join(" to ")} ${plural ?? `${singular}s`}`;
}

function nameOf(text: string): string {
  const joined = /^(.*)\.join\(" (and|or) "\)$/s.exec(text);
  if (joined !== null)
    return `${nameOf(joined[1] ?? "")}> ${joined[2]} <${nameOf(joined[1] ?? "")}`;
  if (text.endsWith(".message")) return "reason";
  const bare = text
    .replaceAll(/\s+as [\w.]+(\[\])?/g, "")
    .replaceAll(
      /(?:\?\.|\.)(?:join|toString|trim|map|filter|slice|at|toFixed|replaceAll)\(.*$/gs,
      "",
    );
  const [, called, args = ""] = /^(?:[\w.#]*\.)?(#?\w+)\((.*)\)$/s.exec(bare) ?? [];
  if (called !== undefined) {
    const inner = splitAt(args, [","]);
    return inner.length === 1 && args !== "" ? nameOf(args) : words(called);
  }
  const last = /([A-Za-z]\w*)(?:\[[^\]]*\])?$/.exec(bare)?.[1] ?? "value";
  return words(last);
}

/** `socketPath`: socket path. */
function words(name: string): string {
  return name
    .replace(/^#/, "")
    .replaceAll(/_/g, " ")
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
}

function flat(source: string): string {
  const text = source
    .trim()
    .replaceAll(/\s*\n\s*/g, " ")
    .replaceAll(/,? \)/g, ")")
    .replaceAll(/\( /g, "(");
  const isWrapped = text.startsWith("(") && argumentsAt(text, 0).length === 1 && text.endsWith(")");
  return isWrapped && `(${argumentsAt(text, 0)[0]})` === text ? flat(text.slice(1, -1)) : text;
}

const unique = (all: readonly string[]): string[] => [...new Set(all)];
