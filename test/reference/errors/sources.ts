import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../support/package-root.ts";
import { argumentsAt, splitAt, upTo } from "./expression.ts";

/** One file of `src`. */
export interface SourceFile {
  /** Below `src`. */
  readonly path: string;
  /** Without comments of whole lines, and with each statement's blanks as they are. */
  readonly text: string;
}

/** Reads the sources of the package. */
export function sourceFiles(): SourceFile[] {
  const folder = join(packageRoot, "src");
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(folder, path), "utf8") }))
    .map(({ path, text }) => ({
      path,
      text: text.replaceAll(/^ *\/\*\*[^]*?\*\/\n/gm, "").replaceAll(/^ *\/\/.*\n/gm, ""),
    }));
}

/** What a name is elsewhere in the sources. */
export class SourceNames {
  readonly #files: readonly SourceFile[];
  readonly #constants: ReadonlyMap<string, string | undefined>;

  constructor(files: readonly SourceFile[]) {
    this.#files = files;
    const constants = new Map<string, string | undefined>();
    for (const { text } of files) {
      for (const { 1: name = "", index, 0: match } of text.matchAll(
        /^(?:export )?const ([A-Z][A-Z0-9_]*)(?:: \w+)? =\s/gm,
      )) {
        const value = upTo(text, index + match.length, ";").trim();
        const isKnown = constants.has(name) && constants.get(name) !== value;
        constants.set(name, isKnown ? undefined : value);
      }
    }
    this.#constants = constants;
  }

  /** The value of a constant in capitals that has one value in all of the sources. */
  constant(name: string): string | undefined {
    return this.#constants.get(name);
  }

  /** The value of the nearest `const name =` before `at`. */
  local(name: string, file: SourceFile, at: number): string | undefined {
    const pattern = new RegExp(String.raw`\bconst ${name}(?:: [\w<>| ]+)? =\s`, "g");
    const found = [...file.text.matchAll(pattern)].findLast(({ index }) => index < at);
    return found && upTo(file.text, found.index + found[0].length, ";").trim();
  }

  /** The expressions that a function returns: of this file, else of the one file that has it. */
  returnsOf(name: string, file: SourceFile): string[] {
    const own = bodiesOf(name, file);
    const bodies = own.length > 0 ? own : this.#files.flatMap((each) => bodiesOf(name, each));
    if (bodies.length !== 1) return [];
    const [body = ""] = bodies;
    return [...body.matchAll(/\breturn\s/g)].map(({ index, 0: match }) =>
      upTo(body, index + match.length, ";").trim(),
    );
  }

  /** What all calls of the function around `at` pass for a parameter; empty: unknown. */
  passedFor(name: string, file: SourceFile, at: number): string[] {
    const found = [...file.text.matchAll(headOf(String.raw`#?\w+`, name))].findLast(
      ({ index }) => index < at,
    );
    if (found === undefined) return [];
    const [head, called = "", parameters = ""] = found;
    const isExported = head.startsWith("export ");
    const files = isExported ? this.#files : [file];
    // The calls of two functions of one name cannot be distinguished.
    if (files.filter(({ text }) => headOf(called, String.raw`\w+`).test(text)).length > 1)
      return [];
    const all = splitAt(parameters, [","]);
    const place = all.findIndex((each) => /^\w+/.exec(each)?.[0] === name);
    const [, initial] = splitAt(all[place] ?? "", [" = "]);
    const passed = files.flatMap((each) =>
      [...each.text.matchAll(new RegExp(String.raw`(?<![\w#])${called}\(`, "g"))]
        .filter(
          ({ index }) => each !== file || index < found.index || index >= found.index + head.length,
        )
        .map(({ index, 0: match }) => argumentsAt(each.text, index + match.length - 1)[place])
        .filter((argument) => argument !== undefined),
    );
    return initial === undefined ? passed : [initial, ...passed];
  }
}

/** Finds the head of a function or method, by its name and that of one of its parameters. */
function headOf(called: string, parameter: string): RegExp {
  return new RegExp(
    String.raw`^ *(?:export )?(?:function |const )?(${called})(?: = )?\(([^()]*\b${parameter}\b[^()]*)\)(?:: [\w<>| ]+)? (?:=> |\{)`,
    "gm",
  );
}

/** Functions and methods, which Prettier ends with a brace below their beginning. */
function bodiesOf(name: string, { text }: SourceFile): string[] {
  const head = new RegExp(
    String.raw`^( *)(?:export )?(?:async )?(?:function |(?=[#\w]+\([^;]*\{$))${name}\b[^]*?\{\n([^]*?)\n\1\}`,
    "gm",
  );
  return [...text.matchAll(head)].map(([, , body = ""]) => body);
}
