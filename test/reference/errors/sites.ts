import { argumentsAt } from "./expression.ts";
import { saidElsewhere } from "./said-elsewhere.ts";
import { type SourceFile, sourceFiles, SourceNames } from "./sources.ts";
import { hasWords, type Place, templatesOf } from "./templates.ts";

/** Where the message is among the arguments of an error's constructor; the first where not said. */
const MESSAGE_AT: Readonly<Record<string, number>> = {
  CommandError: 1,
  DeviceError: 1,
  RemoteError: 1,
};

/** One `new …Error(…)` of the sources. */
export interface ErrorSite {
  readonly type: string;
  /** Below `src`. */
  readonly path: string;
  /** The source of its message. */
  readonly message: string;
  /** What the message can be; empty where it passes on what was said elsewhere. */
  readonly templates: readonly string[];
}

/** Finds where errors are made. */
export function errorSites(files: readonly SourceFile[] = sourceFiles()): ErrorSite[] {
  const names = new SourceNames(files);
  const own = files.flatMap((file) => classSites(file, names));
  const types = new Set(own.map(({ type }) => type));
  const made = files.flatMap((file) =>
    [...file.text.matchAll(/\bnew (\w*Error)\(/g)].map(({ 0: match, 1: type = "", index }) => {
      const args = argumentsAt(file.text, index + match.length - 1);
      const message = args[MESSAGE_AT[type] ?? 0];
      return siteOf(type, message, { names, file, at: index });
    }),
  );
  return [...own, ...made.filter(({ type }) => !types.has(type))];
}

/** Classes of errors whose message is made of what they are given. */
function classSites(file: SourceFile, names: SourceNames): ErrorSite[] {
  const heads = [...file.text.matchAll(/^export class (\w+) extends \w*Error \{/gm)];
  return heads.flatMap(({ 1: type = "", index: at }, i) => {
    const end = heads[i + 1]?.index ?? file.text.length;
    const call = file.text.indexOf(" super(", at);
    if (call < 0 || call > end) return [];
    return argumentsAt(file.text, call + " super".length)
      .filter((each) => each.startsWith("`"))
      .map((message) => siteOf(type, message, { names, file, at: call }));
  });
}

function siteOf(type: string, message: string | undefined, place: Place): ErrorSite {
  const all =
    saidElsewhere[`${place.file.path}: ${message}`] ??
    (message === undefined ? [] : templatesOf(message, place));
  return { type, path: place.file.path, message: message ?? "", templates: all.filter(hasWords) };
}
