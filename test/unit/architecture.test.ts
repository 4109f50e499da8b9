import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../support/package-root.ts";

/** The import law of ARCHITECTURE.md: what each room may import, besides itself. */
const LAW: Readonly<Record<string, readonly string[]>> = {
  base: [],
  os: ["base"],
  protocol: ["base"],
  transport: ["base", "os", "protocol"],
  session: ["base", "os", "protocol", "transport"],
  memory: ["base", "os", "protocol"],
  virtqueue: ["base", "os", "memory"],
  runtime: ["base", "os", "memory", "virtqueue"],
  frontend: ["base", "os", "protocol", "transport", "session", "memory", "virtqueue", "runtime"],
  backend: ["base", "os", "protocol", "transport", "session", "memory", "virtqueue", "runtime"],
  "devices (layout)": ["base", "protocol"],
  "devices (driver)": ["base", "os", "protocol", "memory", "virtqueue", "runtime", "frontend"],
  "devices (device)": ["base", "os", "protocol", "memory", "virtqueue", "runtime", "backend"],
  "devices (index)": ["devices"],
  probe: [
    "base",
    "os",
    "protocol",
    "transport",
    "session",
    "frontend/requests",
    "devices (layout)",
  ],
  mutants: [
    "base",
    "os",
    "protocol",
    "transport",
    "session",
    "memory",
    "virtqueue",
    "backend",
    "devices",
  ],
  suite: [
    "base",
    "os",
    "protocol",
    "transport",
    "memory",
    "virtqueue",
    "backend",
    "devices (layout)",
    "devices (device)",
    "devices (index)",
    "peers",
  ],
  load: [
    "base",
    "os",
    "protocol",
    "transport",
    "session",
    "memory",
    "virtqueue",
    "runtime",
    "frontend",
    "devices",
  ],
  // Free to use everything below, to break it as well.
  groups: ["*"],
  peers: ["base", "os"],
  report: ["base"],
  cli: ["*"],
  index: ["*"],
};

/** What the rooms above may not be imported by, whatever `*` says. */
const TOP = new Set(["cli", "index"]);

/** Only here may code touch the process it runs in, print, or start others. */
const PROCESS_ROOMS = new Set(["cli", "peers", "groups"]);
const PROCESS_WORDS = /(?<![.#])\b(?:process|console)\??\.[a-z]|"node:(?:child_process|process)"/;

/** No longer than this: a file has one concept. */
const MAX_LINES = 400;

/** Paths of one machine have no place in the source, but for documented defaults. */
const ABSOLUTE_PATHS = /["'`](?:\/home\/|\/root\/|\/tmp\/)/;
const DEFAULT_PATHS: readonly string[] = [
  // The defaults that `qemu start` documents.
  "peers/server/server-options.ts",
];

/** Test files that hold nothing which could leak, and why. */
const UNGUARDED: Readonly<Record<string, string>> = {
  "integration/readme.test.ts": "runs the README's commands one after another, and holds nothing",
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

/** The room of a file; devices have three, as design has it. */
function roomOf(path: string): string {
  const [room = ""] = path.split("/");
  if (room !== "devices") return room.replace(/\.ts$/, "");
  const name = path.slice(path.lastIndexOf("/") + 1, -".ts".length);
  if (name === "index") return "devices (index)";
  if (/^(driver|queue)$|^driver-/.test(name)) return "devices (driver)";
  if (/^(device|storage|receive-queue)$|^(device|chain)-/.test(name)) return "devices (device)";
  return "devices (layout)";
}

/** Packages that a file imports at run time. */
function packagesOf({ text }: SourceFile): string[] {
  const pattern =
    /^(?:import|export)\s+(type\s)?[^;]*?from\s+"([^".][^"]*)"|import\("([^".][^"]*)"\)/gm;
  return [...text.matchAll(pattern)]
    .filter(([, type]) => type === undefined)
    .map(([, , fixed, dynamic]) => fixed ?? dynamic ?? "")
    .filter((name) => !name.startsWith("node:"));
}

/** Relative imports of a file, as paths below src/. */
function importsOf({ path, text }: SourceFile, withTypes = true): string[] {
  const pattern = /^(?:import|export)\s+(type\s)?[^;]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/gm;
  return [...text.matchAll(pattern)]
    .filter(([, type]) => withTypes || type === undefined)
    .map(([, , fixed, dynamic]) => normalize(join(dirname(path), fixed ?? dynamic ?? "")));
}

function isAllowed(from: string, to: string): boolean {
  const room = roomOf(from);
  const target = roomOf(to);
  if (room === target || (room === "devices (index)" && target.startsWith("devices"))) return true;
  // The halves of a device know its layout.
  if (room.startsWith("devices") && target === "devices (layout)") return true;
  const allowed = LAW[room];
  if (allowed === undefined) return false;
  if (allowed.includes("*")) return !TOP.has(target);
  return (
    allowed.includes(target) ||
    allowed.includes(to.replace(/\.ts$/, "")) ||
    (target.startsWith("devices") && allowed.includes("devices"))
  );
}

function lawBreaches(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file)
      .filter((to) => !isAllowed(file.path, to))
      .map((to) => `${file.path} (${roomOf(file.path)}) imports ${to} (${roomOf(to)})`),
  );
}

/** The first cycle that is found from each file; imports of types alone are none. */
function cycles(files: readonly SourceFile[]): string[] {
  const graph = new Map(files.map((file) => [file.path, importsOf(file, false)]));
  const found: string[] = [];
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      found.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
      return;
    }
    if (finished.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

/** The text without comments; strings may lose what looks like one, which does no harm here. */
function code(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}

function processUses(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const room = roomOf(path);
    if (PROCESS_ROOMS.has(room)) return [];
    const use = PROCESS_WORDS.exec(code(text))?.[0];
    if (use === undefined || (room === "os" && use.startsWith("process."))) return [];
    return [`${path} uses ${use}`];
  });
}

function longFiles(files: readonly SourceFile[]): string[] {
  return files
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines`);
}

function absolutePaths(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path, text }) => !DEFAULT_PATHS.includes(path) && ABSOLUTE_PATHS.test(code(text)))
    .map(({ path }) => path);
}

function unguarded(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => path.endsWith(".test.ts") && !Object.hasOwn(UNGUARDED, path))
    .filter(({ text }) => !/^guardLeaks\(\);$/m.test(text))
    .map(({ path }) => path);
}

const source = readTree("src");
const file = (path: string, text: string): SourceFile => ({ path, text });

test("the source imports no package that is not installed with this one", () => {
  const { dependencies } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const imported = new Set(readTree("src").flatMap(packagesOf));
  assert.deepEqual(
    [...imported].filter((name) => !Object.hasOwn(dependencies, name)),
    [],
  );
});

test("every file of src stands in a room of the law", () => {
  assert.ok(source.length > 100);
  const unknown = source.filter(({ path }) => LAW[roomOf(path)] === undefined);
  assert.deepEqual(
    unknown.map(({ path }) => path),
    [],
  );
});

test("every room imports only what the law allows it", () => {
  assert.deepEqual(lawBreaches(source), []);
});

test("no file imports itself by a detour", () => {
  assert.deepEqual(cycles(source), []);
});

test("process, console and child processes are used by cli and peers only", () => {
  assert.deepEqual(processUses(source), []);
});

test(`no file of src has more than ${MAX_LINES} lines`, () => {
  assert.deepEqual(longFiles(source), []);
});

test("no absolute path of one machine stands in src", () => {
  assert.deepEqual(absolutePaths(source), []);
});

for (const tier of ["native", "integration", "peers"]) {
  test(`every test file of the tier ${tier} guards against leaks`, () => {
    const files = readTree(`test/${tier}`).map(({ path, text }) => file(`${tier}/${path}`, text));
    assert.deepEqual(unguarded(files), []);
  });
}

test("each rule finds a breach", () => {
  const breaches: readonly (readonly [string, string])[] = [
    ["base/a.ts", "../os/index.ts"],
    ["protocol/a.ts", "../os/index.ts"],
    ["os/a.ts", "../protocol/index.ts"],
    ["transport/a.ts", "../session/index.ts"],
    ["session/a.ts", "../memory/index.ts"],
    ["report/a.ts", "../os/index.ts"],
    ["memory/a.ts", "../transport/index.ts"],
    ["virtqueue/a.ts", "../session/index.ts"],
    ["runtime/a.ts", "../frontend/index.ts"],
    ["frontend/a.ts", "../backend/index.ts"],
    ["backend/a.ts", "../frontend/index.ts"],
    ["devices/block/layout.ts", "../../memory/index.ts"],
    ["devices/block/config.ts", "./driver.ts"],
    ["devices/block/driver.ts", "../../backend/index.ts"],
    ["devices/block/driver.ts", "./device.ts"],
    ["devices/block/device.ts", "../../frontend/index.ts"],
    ["devices/block/chain-io.ts", "./queue.ts"],
    ["probe/a.ts", "../frontend/index.ts"],
    ["probe/a.ts", "../devices/block/index.ts"],
    ["mutants/a.ts", "../frontend/index.ts"],
    ["load/a.ts", "../backend/index.ts"],
    ["suite/a.ts", "../frontend/index.ts"],
    ["suite/a.ts", "../mutants/index.ts"],
    ["peers/a.ts", "../transport/index.ts"],
    ["groups/a.ts", "../cli/main.ts"],
    ["nowhere/a.ts", "../base/index.ts"],
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
  assert.deepEqual(
    lawBreaches([file("probe/a.ts", `import { a } from "../frontend/requests.ts";`)]),
    [],
  );
  const detour = [
    file("base/a.ts", `import { b } from "./b.ts";`),
    file("base/b.ts", `import { c } from "./c.ts";`),
    file("base/c.ts", `import { b } from "./b.ts";`),
  ];
  assert.deepEqual(cycles(detour), ["base/b.ts → base/c.ts → base/b.ts"]);
  assert.deepEqual(cycles([file("base/a.ts", `import type { A } from "./a.ts";`)]), []);
  for (const text of [
    "process.exit(1)",
    'console.log("")',
    'import { spawn } from "node:child_process";',
    'import process from "node:process";',
  ]) {
    assert.equal(processUses([file("transport/a.ts", text)]).length, 1, text);
    assert.equal(processUses([file("os/a.ts", text)]).length, text.startsWith("process.") ? 0 : 1);
    assert.equal(processUses([file("peers/a.ts", text)]).length, 0);
  }
  assert.deepEqual(processUses([file("base/a.ts", "// of this process.\n/* console.log */")]), []);
  assert.equal(longFiles([file("base/a.ts", "x\n".repeat(401))]).length, 1);
  assert.equal(longFiles([file("base/a.ts", "x\n".repeat(400))]).length, 0);
  assert.equal(absolutePaths([file("base/a.ts", 'const a = "/tmp/x.sock";')]).length, 1);
  assert.equal(absolutePaths([file("base/a.ts", 'const a = "/home/me/checkout";')]).length, 1);
  assert.equal(unguarded([file("native/a.test.ts", "// guardLeaks();")]).length, 1);
  assert.equal(unguarded([file("native/a.test.ts", "guardLeaks();\n")]).length, 0);
});
