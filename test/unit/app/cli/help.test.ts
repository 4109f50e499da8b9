import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommandUnknownOpts as Command } from "commander";
import { Output } from "../../../../src/app/cli/output.ts";
import { createProgram } from "../../../../src/app/cli/program.ts";

const { stdout, stderr } = process;
const output = new Output({ stdout, stderr, quiet: true });
const program = await createProgram({ output, signal: new AbortController().signal }, []);

/** Every command with its words, groups included. */
function* commands(command: Command, words: string): Iterable<[string, Command]> {
  yield [words, command];
  for (const each of command.commands) yield* commands(each, `${words} ${each.name()}`.trim());
}

const all = new Map(commands(program, ""));

function find(words: string): Command {
  return all.get(words) ?? assert.fail(`no command ${words}`);
}

/** Long names of a command's own options. */
function optionsOf(words: string): string[] {
  return find(words).options.map(({ long }) => long ?? "");
}

test("a default in a help text is a word or a number", () => {
  let defaults = 0;
  for (const [words, command] of all) {
    for (const [, value = ""] of command.helpInformation().matchAll(/\(default: ([^)]*)\)/g)) {
      assert.match(value, /^"[^"]+"$|^[\w.,%]+$/, `${words}: ${value}`);
      defaults += 1;
    }
  }
  assert.ok(defaults > 50, `${defaults} defaults`);
});

test("a group of tests has only options that it uses", () => {
  const settings = ["--clients", "--rounds", "--connections"];
  const used: Readonly<Record<string, readonly string[]>> = {
    basic: [],
    qemu: [],
    perf: ["--connections"],
    stress: ["--clients", "--rounds"],
    all: settings,
  };
  for (const [group, names] of Object.entries(used)) {
    const found = optionsOf(`test ${group}`).filter((name) => settings.includes(name));
    assert.deepEqual(found.sort(), [...names].sort(), group);
    const takesSocket = find(`test ${group}`).registeredArguments.length > 0;
    assert.equal(takesSocket, group === "perf" || group === "all", group);
  }
});

test("commands that print results say in the same words what -q and -v print of them", () => {
  const textOf = (words: string): string[] =>
    ["--verbose", "--quiet"].map(
      (name) => find(words).options.find(({ long }) => long === name)?.description ?? "",
    );
  const words = ["conform", "conform merge", ...["basic", "all"].map((g) => `test ${g}`)];
  const [first = [], ...rest] = words.map(textOf);
  assert.match(first.join(), /all that was observed,.*one line for each failure/);
  for (const other of rest) assert.deepEqual(other, first);
});

test("the help of a back-end program names the program", () => {
  for (const type of ["block", "net", "fs"]) {
    const [usage = ""] = find(`backend ${type}`).helpInformation().split("\n");
    assert.equal(usage, `Usage: vhost-user-${type} [options]`);
  }
});
