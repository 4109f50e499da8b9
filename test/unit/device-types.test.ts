import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { deviceKinds } from "../../src/endpoints/devices/registry.ts";
import { packageRoot } from "../support/package-root.ts";

const names = deviceKinds.map(({ name }) => name).join("|");

/** Where device types are named: a folder or a file for each type, and the registry of each wing. */
const HOMES = new RegExp(
  `^(?:endpoints/devices|lab/kits|app/cli/devices)/(?:(?:registry|${names})\\.ts$|[^/]+/)`,
);

/** Other files that name device types, by the beginnings of their paths, and why. The list only shrinks. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "app/cli/commands/bench/compare/": "compares certain programs: disks and network cards",
  "app/cli/commands/matrix/command.ts": "the help has an example",
  "app/cli/commands/qemu/": "--kind chooses what QEMU serves",
  "lab/faults/devices.ts": "faults in the requests of a disk",
  "lab/programs/": "words of QEMU's and Linux's command lines",
  "lab/selftest/": "tests our own disk and network card",
  "public/": "the indexes that users import",
};

const NAMED = new RegExp(`["'\`](?:${names})["'\`]|/(?:devices|kits)/(?:${names})/`);

/** The text without comments. */
function code(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}

function namesDevice(path: string, text: string): boolean {
  return !HOMES.test(path) && NAMED.test(code(text));
}

function exceptionOf(path: string): string | undefined {
  return Object.keys(EXCEPTIONS).find((prefix) => path.startsWith(prefix));
}

const naming = readdirSync(join(packageRoot, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .filter((path) => namesDevice(path, readFileSync(join(packageRoot, "src", path), "utf8")));

test("a device type is named only in its folders and in the registry of each wing", () => {
  assert.deepEqual(
    naming.filter((path) => exceptionOf(path) === undefined),
    [],
  );
});

test("each exception is used", () => {
  const used = new Set(naming.map(exceptionOf));
  assert.deepEqual(
    Object.keys(EXCEPTIONS).filter((prefix) => !used.has(prefix)),
    [],
  );
});

test("each name and each import of a device type is found", () => {
  for (const text of [
    'if (kind.name === "block") serve();',
    'import { NetDriver } from "../../endpoints/devices/net/index.ts";',
    'await import("../kits/fs/kit.ts");',
  ]) {
    assert.ok(namesDevice("lab/engine/a.ts", text), text);
    assert.ok(!namesDevice("lab/kits/block/a.ts", text), text);
  }
  for (const text of [
    '// "block"',
    'import fs from "node:fs";',
    'const text = "a block device";',
  ]) {
    assert.ok(!namesDevice("lab/engine/a.ts", text), text);
  }
  assert.ok(namesDevice("app/cli/devices/device-commands.ts", 'const type = "net";'));
});
