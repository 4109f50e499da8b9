import assert from "node:assert/strict";
import { test } from "node:test";
import { wordsWithSocketPath } from "../../../../../../src/lab/conformance/kit/back-end/program.ts";

const made = (...words: readonly string[]): string[] => wordsWithSocketPath(words, "/new");

test("--socket-path takes the place of whatever named the socket", () => {
  assert.deepEqual(made("a", "--socket-path={socket}", "-x"), ["a", "--socket-path=/new", "-x"]);
  assert.deepEqual(made("a", "-s={socket}"), ["a", "--socket-path=/new"]);
  assert.deepEqual(made("a", "--sock", "{socket}", "-x"), ["a", "--socket-path=/new", "-x"]);
  assert.deepEqual(made("node", "a.js", "{socket}"), ["node", "a.js", "--socket-path=/new"]);
});

test("--socket-path is added beside a socket that is part of a larger word, which gets another", () => {
  assert.deepEqual(made("a", "--export", "type=blk,path={socket}"), [
    "a",
    "--export",
    "type=blk,path=/new-unused",
    "--socket-path=/new",
  ]);
});
