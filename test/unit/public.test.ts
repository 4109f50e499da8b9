import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../support/package-root.ts";
import { exportedNames, publicEntries } from "../support/public-entries.ts";

const entries = publicEntries();
/** Names that a person can keep in mind. */
const MOST_ROOT_NAMES = 60;

test("the root exports at most 60 names, types included", () => {
  const [root] = entries;
  assert.ok(root?.name === "vhost-user");
  const names = exportedNames(root);
  assert.ok(names.length > 40 && names.length <= MOST_ROOT_NAMES, `${names.length} names`);
});

test("each entry says what it is for and lists its names", () => {
  for (const { name, path, text } of entries) {
    assert.ok(text.startsWith(`/**\n * \`${name}\`: `), `${path} begins with its name and purpose`);
    assert.doesNotMatch(text, /export \*/, path);
  }
});

test("a name is exported by one entry only", () => {
  const all = entries.flatMap(exportedNames);
  const twice = all.filter((name, at) => all.indexOf(name) !== at);
  assert.deepEqual(twice, []);
});

test("each device type with a driver or a device has an entry, with its kind", () => {
  const folder = join(packageRoot, "src", "endpoints", "devices");
  const types = readdirSync(folder).filter((type) =>
    ["driver", "device"].some((side) => existsSync(join(folder, type, side))),
  );
  assert.ok(types.length >= 5, types.join());
  for (const type of types) {
    const entry = entries.find(({ name }) => name === `vhost-user/devices/${type}`);
    assert.ok(entry, `vhost-user/devices/${type}`);
    assert.ok(exportedNames(entry).includes(`${type}Kind`), entry.path);
  }
});

test("importing the root loads no file of the laboratory or of the commands", () => {
  const loaded = [...loadedWith(join(packageRoot, "dist", "src", "index.js"))];
  assert.ok(loaded.length > 50, `${loaded.length} files`);
  assert.deepEqual(
    loaded.filter((file) => /\/src\/(?:lab|app)\//.test(file)),
    [],
  );
});

/** Every file of the build that an import of `file` evaluates. */
function loadedWith(file: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, path = ""] of text.matchAll(/^(?:import|export)\s[^;"]*"(\.[^"]+)";/gm))
    loadedWith(join(dirname(file), path), loaded);
  return loaded;
}
