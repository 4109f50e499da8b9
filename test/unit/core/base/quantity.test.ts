import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { counted, countedRange } from "../../../../src/core/base/index.ts";
import { packageRoot } from "../../../support/package-root.ts";

test("a count of one has the singular, every other count the plural", () => {
  assert.equal(counted(0, "check"), "0 checks");
  assert.equal(counted(1, "check"), "1 check");
  assert.equal(counted(1n, "entry", "entries"), "1 entry");
  assert.equal(counted("1", "byte"), "1 byte");
  assert.equal(counted(12, "entry", "entries"), "12 entries");
  assert.equal(countedRange(1, 1, "queue"), "1 queue");
  assert.equal(countedRange(1, 4, "queue pair"), "1 to 4 queue pairs");
});

/** A count in a template that is put in front of a plural by hand; fixed plurals are left alone. */
const uncounted =
  /\$\{(?!counted)(?![A-Z_]+\})[^{}`\n]+\} (?:checks|rounds|sessions|targets|queues|queue pairs|descriptors|lines|requests|frames|clients|findings)\b(?![/'])/;

test("commands, reports and checks count with the helper, so that one is never plural", () => {
  const found = ["app/cli", "lab/results", "lab/conformance"].flatMap((room) => {
    const folder = join(packageRoot, "src", room);
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .flatMap((name) =>
        readFileSync(join(folder, name), "utf8")
          .split("\n")
          .filter((line) => uncounted.test(line))
          .map((line) => `${room}/${name}: ${line.trim()}`),
      );
  });
  assert.deepEqual(found, [], "use counted(count, noun) of src/core/base/quantity.ts");
});
