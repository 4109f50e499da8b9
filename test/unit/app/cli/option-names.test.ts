import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommandUnknownOpts as Command, Option } from "commander";
import { Output } from "../../../../src/app/cli/output.ts";
import { createProgram } from "../../../../src/app/cli/program.ts";

interface Use {
  readonly command: string;
  readonly option: Option;
}

/** Kinds of values that one command takes besides, and why. */
const EXTENSIONS: ReadonlyMap<string, { readonly value: string; readonly why: string }> = new Map([
  ["--depth", { value: "<list>", why: "io block verify makes one run for each number" }],
  ["--ring-mode", { value: "<list>", why: "io block verify makes one run for each mode" }],
  ["--listen", { value: "<path>", why: "trace has two sides" }],
]);

async function everyOption(): Promise<Use[]> {
  const { stdout, stderr } = process;
  const output = new Output({ stdout, stderr, quiet: true });
  const program = await createProgram({ output, signal: new AbortController().signal }, []);
  return [...optionsOf(program, "")];
}

function* optionsOf(command: Command, path: string): Iterable<Use> {
  for (const option of command.options) yield { command: path, option };
  for (const each of command.commands) yield* optionsOf(each, `${path} ${each.name()}`.trim());
}

function byName(uses: readonly Use[]): Map<string, Use[]> {
  const names = new Map<string, Use[]>();
  for (const use of uses) {
    const name = use.option.long ?? use.option.flags;
    names.set(name, [...(names.get(name) ?? []), use]);
  }
  return names;
}

/** The description up to the details of one command: what the option means everywhere. */
const meaning = ({ description }: Option): string => (description.split(/[;:(]/)[0] ?? "").trim();

/** `<bytes>` of `--size <bytes>`. */
const valueType = ({ flags }: Option): string => /[<[].*$/.exec(flags)?.[0] ?? "";

for (const [name, uses] of byName(await everyOption())) {
  test(`${name} means the same in every command`, () => {
    const meanings = new Set(uses.map(({ option }) => meaning(option)));
    assert.equal(meanings.size, 1, [...meanings].join("\n"));
  });

  test(`${name} takes the same kind of value in every command`, () => {
    const types = new Set(uses.map(({ option }) => valueType(option)));
    const extension = EXTENSIONS.get(name);
    if (extension !== undefined) types.delete(extension.value);
    assert.equal(types.size, 1, [...types].join(", "));
  });

  test(`${name} is the only name of its option`, () => {
    for (const { option, command } of uses) {
      const names = option.flags.match(/--[a-z-]+/g) ?? [];
      assert.equal(names.length, 1, `${command} ${option.flags}`);
    }
  });
}

test("no two options have the same meaning", async () => {
  const meanings = new Map<string, string>();
  for (const [name, uses] of byName(await everyOption())) {
    for (const { option, command } of uses) {
      if (command.startsWith("backend ")) continue;
      const other = meanings.get(meaning(option)) ?? name;
      assert.equal(other, name, meaning(option));
      meanings.set(meaning(option), name);
    }
  }
});
