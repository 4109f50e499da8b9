import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { filesAsMarkdown } from "../architecture/files.ts";
import { lawAsMarkdown, readLaw, roomOf, wingOf } from "../architecture/law.ts";
import { EXCEPTIONS, isEntry, isOfItsRoom } from "../architecture/test-imports.ts";
import { packageRoot } from "../support/package-root.ts";

/** Only here may code touch the process it runs in, print, or start processes. */
const PROCESS_ROOMS = new Set(["app/cli", "lab/programs", "lab/selftest"]);
const PROCESS_WORDS = /(?<![.#])\b(?:process|console)\??\.[a-z]|"node:(?:child_process|process)"/;

/** No longer than this: a file has one concept. */
const MAX_LINES = 400;

/** Paths of one machine have no place in the source, but for documented defaults. */
const ABSOLUTE_PATHS = /["'`](?:\/home\/|\/root\/|\/tmp\/)/;
const DEFAULT_PATHS: readonly string[] = [
  // The defaults that `qemu start` documents.
  "lab/programs/server/server-options.ts",
];

/** Test files that hold nothing which could leak, and why. */
const UNGUARDED: Readonly<Record<string, string>> = {
  "integration/documents.test.ts": "runs the commands of the pages, and holds nothing",
};

interface SourceFile {
  /** Below src/, e.g. `devices/block/layout.ts`. */
  readonly path: string;
  readonly text: string;
}

function readTree(folder: string): SourceFile[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(packageRoot, folder, path), "utf8") }));
}

/** Relative imports of a file, those of types included, as paths below src/. */
function importsOf({ path, text }: SourceFile): string[] {
  const pattern = /^(?:import|export)\s[^;]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/gm;
  return [...text.matchAll(pattern)].map(([, fixed, dynamic]) =>
    normalize(join(dirname(path), fixed ?? dynamic ?? "")),
  );
}

const law = readLaw();

/** Says why one file of `src` may not import another, or nothing where it may. */
function breach(from: string, to: string): string | undefined {
  const room = roomOf(from, law);
  const target = roomOf(to, law);
  if (room === undefined) return `${from} is in no room of the law`;
  if (target === undefined) return `${from} imports ${to}, which is in no room of the law`;
  const isFront = /\/(?:index|kind)\.ts$/.test(from);
  const allowed = [...room.imports, ...(isFront ? (room.frontImports ?? []) : [])];
  if (room === target && sameFolder(from, to, room.room)) return undefined;
  if (room !== target && allowed.includes(target.room)) return undefined;
  return `${from} (${room.room}) imports ${to} (${target.room})`;
}

/** A room with `*` is many folders, e.g. one for each device type: they do not know one another. */
function sameFolder(from: string, to: string, room: string): boolean {
  const depth = room.split("/").length;
  const folder = (path: string): string => path.split("/").slice(0, depth).join("/");
  return !room.includes("*") || folder(from) === folder(to);
}

function lawBreaches(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => importsOf(file).flatMap((to) => breach(file.path, to) ?? []));
}

/** The text without comments; strings may lose what looks like one, which does no harm here. */
function code(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}

function processUses(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const room = roomOf(path, law)?.room ?? "";
    if (PROCESS_ROOMS.has(room)) return [];
    const use = PROCESS_WORDS.exec(code(text))?.[0];
    if (use === undefined || (room === "core/os" && use.startsWith("process."))) return [];
    return [`${path} uses ${use}`];
  });
}

function longFiles(files: readonly SourceFile[]): string[] {
  return files
    .map(({ path, text }) => ({ path, lines: withoutExamples(text).split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines`);
}

/** Examples in doc comments show the use of a class, and add no concept to its file. */
function withoutExamples(text: string): string {
  return text.replaceAll(/^ \* @example\n[\s\S]*?\*\/\n/gm, "");
}

function absolutePaths(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path, text }) => !DEFAULT_PATHS.includes(path) && ABSOLUTE_PATHS.test(code(text)))
    .map(({ path }) => path);
}

function unguarded(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => path.endsWith(".test.ts") && !Object.hasOwn(UNGUARDED, path))
    .filter(({ text }) => !/^guardLeaks(?:OfFile)?\(\);$/m.test(text))
    .map(({ path }) => path);
}

/** What a test imports from src past the entries, as paths below src. */
function pastEntries({ path, text }: SourceFile): string[] {
  return importsOf({ path: `test/${path}`, text })
    .filter((target) => target.startsWith("src/"))
    .map((target) => target.slice(4))
    .filter((target) => !isEntry(target) && !isOfItsRoom(path, target, law));
}

const source = readTree("src");
const file = (path: string, text: string): SourceFile => ({ path, text });

test("every file of src is in a room of the law", () => {
  assert.ok(source.length > 100);
  const unknown = source.filter(({ path }) => roomOf(path, law) === undefined);
  assert.deepEqual(
    unknown.map(({ path }) => path),
    [],
  );
});

test("every room imports only what the law allows it", () => {
  assert.deepEqual(lawBreaches(source), []);
});

test("the law allows no import that is not used", () => {
  const used = new Set(
    source.flatMap((from) =>
      importsOf(from).map((to) => `${roomOf(from.path, law)?.room} ${roomOf(to, law)?.room}`),
    ),
  );
  const allowed = law.rooms.flatMap(({ room, imports, frontImports = [] }) =>
    [...imports, ...frontImports].map((target) => `${room} ${target}`),
  );
  assert.deepEqual(
    allowed.filter((pair) => !used.has(pair)),
    [],
  );
});

test("a wing imports only the wings before it", () => {
  const order = [...Object.keys(law.wings), "index"];
  const upwards = law.rooms.flatMap(({ room, imports }) =>
    imports
      .filter((target) => order.indexOf(wingOf(target)) > order.indexOf(wingOf(room)))
      .map((target) => `${room} imports ${target}`),
  );
  assert.deepEqual(upwards, []);
  assert.ok(law.rooms.every(({ room }) => order.includes(wingOf(room))));
});

test("ARCHITECTURE.md has the law and every file of src; npm run docs writes them there", () => {
  const page = readFileSync(join(packageRoot, "ARCHITECTURE.md"), "utf8");
  assert.ok(page.includes(lawAsMarkdown(law)), "the law differs; run: npm run docs");
  assert.ok(page.includes(filesAsMarkdown()), "the files differ; run: npm run docs");
});

test("process, console and child processes are used by commands, programs and self-tests only", () => {
  assert.deepEqual(processUses(source), []);
});

test(`no file of src has more than ${MAX_LINES} lines`, () => {
  assert.deepEqual(longFiles(source), []);
});

test("src has no absolute path of one machine", () => {
  assert.deepEqual(absolutePaths(source), []);
});

for (const tier of ["component", "integration", "programs"]) {
  test(`every test file of the tier ${tier} guards against leaks`, () => {
    const files = readTree(`test/${tier}`).map(({ path, text }) => file(`${tier}/${path}`, text));
    assert.deepEqual(unguarded(files), []);
  });
}

test("tests import indexes, public entries, or files of the room that they test", () => {
  const tests = readTree("test").map((each) => ({ each, past: pastEntries(each) }));
  const breaches = tests.flatMap(({ each, past }) =>
    past
      .filter((target) => !Object.hasOwn(EXCEPTIONS, target))
      .map((target) => `test/${each.path} imports ${target}`),
  );
  assert.deepEqual(breaches, []);
  const used = new Set(tests.flatMap(({ past }) => past));
  assert.deepEqual(
    Object.keys(EXCEPTIONS).filter((target) => !used.has(target)),
    [],
    "exceptions that no test needs",
  );
});

test("each rule finds a breach", () => {
  const breaches: readonly (readonly [string, string])[] = [
    ["core/base/a.ts", "../os/index.ts"],
    ["core/protocol/a.ts", "../os/index.ts"],
    ["core/os/a.ts", "../protocol/index.ts"],
    ["core/transport/a.ts", "../session/index.ts"],
    ["core/session/a.ts", "../memory/index.ts"],
    ["core/memory/a.ts", "../transport/index.ts"],
    ["core/virtqueue/a.ts", "../session/index.ts"],
    ["core/runtime/a.ts", "../../endpoints/frontend/index.ts"],
    ["endpoints/netstack/a.ts", "../../core/os/index.ts"],
    ["endpoints/frontend/a.ts", "../backend/index.ts"],
    ["endpoints/backend/a.ts", "../frontend/index.ts"],
    ["endpoints/backend/a.ts", "../devices/block/index.ts"],
    ["endpoints/devices/block/layout.ts", "../../../core/memory/index.ts"],
    ["endpoints/devices/block/config.ts", "./driver/driver.ts"],
    ["endpoints/devices/block/config.ts", "../kind.ts"],
    ["endpoints/devices/block/kind.ts", "../registry.ts"],
    ["endpoints/devices/kind.ts", "./block/kind.ts"],
    ["endpoints/devices/block/config.ts", "../net/layout.ts"],
    ["endpoints/devices/block/driver/a.ts", "../../../backend/index.ts"],
    ["endpoints/devices/block/driver/a.ts", "../device/device.ts"],
    ["endpoints/devices/block/driver/a.ts", "../../net/driver/driver.ts"],
    ["endpoints/devices/block/device/a.ts", "../../../frontend/index.ts"],
    ["endpoints/devices/block/device/a.ts", "../driver/queue.ts"],
    ["lab/results/a.ts", "../../core/os/index.ts"],
    ["lab/programs/a.ts", "../../core/transport/index.ts"],
    ["lab/probe/a.ts", "../../endpoints/backend/index.ts"],
    ["lab/faults/a.ts", "../../endpoints/frontend/index.ts"],
    ["lab/workloads/a.ts", "../../endpoints/backend/index.ts"],
    ["lab/conformance/a.ts", "../../endpoints/frontend/index.ts"],
    ["lab/conformance/a.ts", "../faults/index.ts"],
    ["lab/selftest/a.ts", "../../app/cli/main.ts"],
    ["nowhere/a.ts", "../core/base/index.ts"],
    ["core/base/a.ts", "../../index.ts"],
  ];
  for (const [path, target] of breaches) {
    for (const line of [
      `import { a } from "${target}";`,
      `import type { a } from "${target}";`,
      `import {\n  a,\n  b,\n} from "${target}";`,
      `export * from "${target}";`,
      `const a = await import("${target}");`,
    ]) {
      assert.equal(lawBreaches([file(path, line)]).length, 1, `${path}: ${line}`);
    }
  }
  for (const text of [
    "process.exit(1)",
    'console.log("")',
    'import { spawn } from "node:child_process";',
    'import process from "node:process";',
  ]) {
    assert.equal(processUses([file("core/transport/a.ts", text)]).length, 1, text);
    assert.equal(
      processUses([file("core/os/a.ts", text)]).length,
      text.startsWith("process.") ? 0 : 1,
    );
    assert.equal(processUses([file("lab/programs/a.ts", text)]).length, 0);
  }
  assert.deepEqual(
    processUses([file("core/base/a.ts", "// of this process.\n/* console.log */")]),
    [],
  );
  assert.equal(longFiles([file("base/a.ts", "x\n".repeat(401))]).length, 1);
  assert.equal(longFiles([file("base/a.ts", "x\n".repeat(400))]).length, 0);
  assert.equal(absolutePaths([file("base/a.ts", 'const a = "/tmp/x.sock";')]).length, 1);
  assert.equal(absolutePaths([file("base/a.ts", 'const a = "/home/me/checkout";')]).length, 1);
  for (const [path, target, count] of [
    ["unit/core/base/a.test.ts", "../../../../src/core/os/poller.ts", 1],
    ["unit/core/base/a.test.ts", "../../../../src/core/os/index.ts", 0],
    ["unit/core/base/a.test.ts", "../../../../src/core/base/errors.ts", 0],
    ["integration/a.test.ts", "../../src/core/base/errors.ts", 1],
    ["integration/a.test.ts", "../../src/public/testing.ts", 0],
  ] as const) {
    assert.equal(pastEntries(file(path, `import { a } from "${target}";`)).length, count, target);
  }
  assert.equal(unguarded([file("component/a.test.ts", "// guardLeaks();")]).length, 1);
  assert.equal(unguarded([file("component/a.test.ts", "guardLeaks();\n")]).length, 0);
  assert.equal(unguarded([file("component/a.test.ts", "guardLeaksOfFile();\n")]).length, 0);
});
