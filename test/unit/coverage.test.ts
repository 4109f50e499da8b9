import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  coveragePage,
  features,
  fileOf,
  ownTestsOf,
  peersOf,
  reasonFor,
  requests,
  type Subject,
} from "../coverage/page.ts";
import { hostileGroups } from "../coverage/hostile-groups.ts";
import { peerFiles, reasons, refusals } from "../coverage/evidence.ts";
import { packageRoot } from "../support/package-root.ts";

const subjects: readonly Subject[] = [...requests, ...features];
const page = "docs/reference/protocol-coverage.md";

/** The rows of a page, cell by cell. */
const rowsOf = (text: string): string[][] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .slice(1, -1),
    );

/**
 * Which of many tests are named is open: they come and go. That they name the request is not, nor
 * is what is said of real programs.
 */
test("the page is what the protocol table and the tests say", () => {
  const there = rowsOf(readFileSync(join(packageRoot, page), "utf8"));
  const made = rowsOf(coveragePage());
  assert.equal(there.length, made.length);
  for (const [at, row] of there.entries()) {
    const [subject, wanted] = [subjects[at], made[at]];
    assert.ok(subject && wanted);
    for (const column of [0, 3, 6])
      assert.equal(row[column], wanted[column], `${subject.name}: run npm run docs`);
    const own = ownTestsOf(subject);
    for (const column of [1, 2, 4, 5]) {
      for (const [, path = ""] of (row[column] ?? "").matchAll(/\]\(\.\.\/\.\.\/([^)]+)\)/g))
        assert.ok(own.includes(path), `${path} does not name ${subject.name}`);
    }
  }
});

test("every request and feature bit has a row, and no cell of it is empty", () => {
  const rows = readFileSync(join(packageRoot, page), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
  assert.deepEqual(
    rows.map(([name = ""]) => name.replaceAll("`", "")),
    subjects.map(({ name }) => name),
  );
  const empty = rows.flatMap(([name, ...cells]) => (cells.includes("") ? [name] : []));
  assert.deepEqual(empty, []);
});

test("a reason is given only where there is no real program", () => {
  for (const role of ["client", "back-end"] as const) {
    const idle = subjects.filter(
      (subject) => peersOf(subject, role).length > 0 && reasonFor(subject, role) !== undefined,
    );
    assert.deepEqual(
      idle.map(({ name }) => `${role} ${name}`),
      [],
    );
  }
});

test("files that are named exist, and names are those of the table", () => {
  for (const { path } of peerFiles) assert.ok(existsSync(join(packageRoot, path)), path);
  const known = new Set(subjects.map(({ name }) => name));
  for (const name of [...reasons.flatMap(({ names }) => names), ...refusals.map((r) => r.name)])
    assert.ok(known.has(name), name);
});

test("each of the 40 groups of hostile input names tests that exist", () => {
  assert.deepEqual(
    hostileGroups.map(({ number }) => number),
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
  for (const { number, backend, client } of hostileGroups) {
    for (const [file, title] of [...backend, ...(typeof client === "string" ? [] : client)]) {
      const source = readFileSync(join(packageRoot, "test", fileOf(file)), "utf8");
      assert.ok(source.includes(title), `group ${number}: ${file} has no test "${title}"`);
    }
  }
});
