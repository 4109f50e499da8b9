import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checks } from "../../src/lab/conformance/index.ts";
import type { ConformanceReport } from "../../src/lab/results/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const example = (name: string): string =>
  join(packageRoot, "dist", "examples", "entropy", `${name}.js`);
const KIT = example("kit");
const program = (name: string): { program: string[] } => ({
  program: [process.execPath, example(name)],
});

test("the entropy example serves random bytes to its own driver", async (t) => {
  const space = new Workspace(t);
  const socket = space.path("entropy.sock");
  const server = space.start([socket], program("serve"));
  await server.printed(/listening on /);
  const texts: string[] = [];
  for (const count of ["32", "10000"]) {
    const { code, stdout, stderr } = await space.run([socket, count], program("read"));
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^[0-9a-f]{${2 * Number(count)}}\n$`));
    texts.push(stdout.slice(0, 64));
  }
  assert.notEqual(texts[0], texts[1]);
  assert.equal((await server.stop("SIGTERM")).code, 0);
});

test("conform --device MODULE judges a device type that the package does not know", async (t) => {
  const space = new Workspace(t);
  const { code, stdout, stderr } = await space.run([
    "conform",
    "--exec",
    `${process.execPath} ${example("serve")} {socket}`,
    "--device",
    KIT,
    "--except",
    "prog",
    "--json",
  ]);
  assert.equal(code, 0, stderr);
  const { results, target }: ConformanceReport = parseDocument("conformance", stdout);
  assert.equal(target.device, "entropy");
  const passed = new Set(results.flatMap(({ id, verdict }) => (verdict === "PASS" ? [id] : [])));
  for (const id of ["entropy/1", "entropy/2", "entropy/3", "split/1", "vring/1", "hostile/1"]) {
    assert.ok(passed.has(id), `${id} did not pass`);
  }
  assert.ok(results.every(({ id, verdict }) => !id.startsWith("blk/") || verdict === "SKIP"));
});

test("probe --device MODULE describes a back-end as the type of that kit", async (t) => {
  const space = new Workspace(t);
  const socket = space.path("entropy.sock");
  const server = space.start([socket], program("serve"));
  await server.printed(/listening on /);
  const { code, stdout, stderr } = await space.run(["probe", socket, "--device", KIT, "--json"]);
  assert.equal(code, 0, stderr);
  assert.equal(parseDocument("probe", stdout)["device"], "entropy");
  const none = await space.run(["probe", socket, "--device", "./none.js"]);
  assert.match(none.stderr, /--device \.\/none\.js: the module does not exist/);
  assert.equal(none.code, 2);
});

test("matrix judges with the kit of a module beside the list of targets", async (t) => {
  const space = new Workspace(t);
  mkdirSync(space.path("kits"));
  const module = `export { default } from ${JSON.stringify(KIT)};`;
  writeFileSync(space.path("kits/kit.mjs"), module);
  const name = "entropy";
  const exec = `${process.execPath} ${example("serve")} {socket}`;
  const targets = [{ name, exec, device: "kits/kit.mjs" }];
  space.file("targets.json", Buffer.from(JSON.stringify({ targets })));
  const words = ["matrix", "targets.json", "--out-dir", "pages", "--only", "entropy"];
  const { code, stdout, stderr } = await space.run(words);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^entropy: 3 checks: 3 PASS$/m);
});

test("a baseline that --update-baseline wrote has ids of a kit's checks, and is read again", async (t) => {
  const space = new Workspace(t);
  const kit = space.file(
    "strange.mjs",
    Buffer.from(`
      import kit from ${JSON.stringify(KIT)};
      const run = () => { throw new Error("unused"); };
      const failing = async (t) => t.expect("the answer", 41, 42);
      const about = { strength: "MUST", section: "VIRTIO 5.4", title: "the answer is 42" };
      export default { ...kit, checks: [{ id: "strange/1", ...about, run: failing }] };
    `),
  );
  const conform = [
    "conform",
    "--exec",
    `${process.execPath} ${example("serve")} {socket}`,
    "--only",
    "strange",
    "--baseline",
    "known.json",
  ];
  const own = ["--device", kit];
  const written = await space.run([...conform, ...own, "--update-baseline"]);
  assert.equal(written.code, 0, written.stderr);
  assert.match(readFileSync(space.path("known.json"), "utf8"), /"strange\/1"/);
  const again = await space.run([...conform, ...own]);
  assert.match(again.stdout, /^XFAIL strange\/1 /m);
  assert.equal(again.code, 0, again.stderr);
  const without = await space.run(conform.with(4, "header"));
  assert.equal(without.code, 2);
  assert.match(without.stderr, /known\.json: 0: .*"strange\/1"/);
});

test("a kit whose check has the id of one of the suite is refused", async (t) => {
  const space = new Workspace(t);
  const check = `{ ...kit.checks[0], id: "header/1" }`;
  const module = `import kit from ${JSON.stringify(KIT)}; export default { ...kit, checks: [${check}] };`;
  const path = space.file("taken.mjs", Buffer.from(module));
  const { code, stderr } = await space.run(["conform", "--list", "--device", path]);
  assert.match(stderr, /taken\.mjs: check header\/1 has the id of a check of the suite/);
  assert.equal(code, 2);
});

test("conform --list shows the checks of a kit behind those of the suite", async (t) => {
  const space = new Workspace(t);
  const { stdout } = await space.run(["conform", "--list", "--device", KIT, "--only", "entropy"]);
  assert.match(stdout, /^entropy\/1 .*\nentropy\/2 .*\nentropy\/3 .*\n$/);
  const { code, stderr } = await space.run(["conform", "--list", "--only", "entropy"]);
  assert.equal(code, 2, stderr);
});

test("a module that exports something other than a kit is refused with the member that is wrong", async (t) => {
  const space = new Workspace(t);
  const kit = {
    kind: { name: "entropy", id: 4, features: [], queues: {} },
    rings: [0],
    ring: 0,
  };
  const functions = "requestRings: () => [0], request: () => ({}),";
  const module = (name: string, body: string): string => space.file(name, Buffer.from(body));
  const exported = (name: string, value: object, members = functions): string =>
    module(name, `export default { ...${JSON.stringify(value)}, ${members} };`);
  const [{ id }] = checks as [(typeof checks)[0]];
  const check = `{ id: "${id}", title: "t", strength: "MUST", section: "s", run() {} }`;
  const cases: readonly (readonly [module: string, message: RegExp])[] = [
    [space.path("missing.mjs"), /missing\.mjs: the module does not exist/],
    [module("broken.mjs", "const ="), /broken\.mjs: the module cannot be loaded: SyntaxError/],
    [module("empty.mjs", "export const kit = {};"), /empty\.mjs: the module has no default export/],
    [module("text.mjs", "export default 'kit';"), /text\.mjs: a kit must be an object/],
    [exported("no-kind.mjs", { ...kit, kind: undefined }), /kind must be an object/],
    [
      exported("no-id.mjs", { ...kit, kind: { ...kit.kind, id: "4" } }),
      /kind\.id must be a virtio/,
    ],
    [exported("ring.mjs", { ...kit, ring: 1 }), /ring must be one of rings/],
    [exported("request.mjs", kit, "requestRings() {}"), /request must be a function/],
    [exported("effect.mjs", { ...kit, effect: {} }), /effect\.read must be a function/],
    [exported("checks.mjs", { ...kit, checks: [{}] }), /checks\[0\]\.id must be a string/],
    [exported("taken.mjs", kit, `${functions} checks: [${check}]`), new RegExp(`check ${id} has`)],
  ];
  for (const [path, message] of cases) {
    const { code, stderr } = await space.run(["conform", "--list", "--device", path]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
  const unknown = await space.run(["conform", "--list", "--device", "toaster"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /"toaster" is not a device type; use one of .*block/);
});
