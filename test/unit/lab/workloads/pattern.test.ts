import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { expectedWord, fillPattern, findMismatch } from "../../../../src/lab/workloads/pattern.ts";

function pattern(words: number, seed: number, position: number): Int32Array {
  const data = new Int32Array(words);
  fillPattern(data, seed, position);
  return data;
}

test("the pattern follows from the position alone, however it is cut", () => {
  const whole = pattern(1024, 7, 0);
  for (const [first, words] of [[0, 1] as const, [1, 128] as const, [900, 124] as const]) {
    assert.deepEqual(pattern(words, 7, first * 4), whole.slice(first, first + words));
  }
  for (let word = 0; word < 1024; word += 1) assert.equal(whole[word], expectedWord(7, word * 4));
});

test("no other sector, and no other seed, has the same words", () => {
  const seen = new Set<string>();
  for (const seed of [0, 1, 2, 2 ** 31 - 1]) {
    for (let sector = 0; sector < 2048; sector += 1) {
      seen.add(pattern(128, seed, sector * 512).join());
    }
  }
  assert.equal(seen.size, 4 * 2048);
});

test("positions beyond 2^32 words differ from those below", () => {
  for (const position of [0, 512, 65_536]) {
    assert.notDeepEqual(pattern(128, 1, position), pattern(128, 1, position + 2 ** 34));
  }
});

test("a flipped bit is found at its word", () => {
  fc.assert(
    fc.property(
      fc.nat(127),
      fc.nat(31),
      fc.nat(2 ** 31 - 1),
      fc.nat(2 ** 30),
      (word, bit, seed, sector) => {
        const data = pattern(128, seed, sector * 512);
        assert.equal(findMismatch(data, seed, sector * 512), -1);
        data[word] = (data[word] ?? 0) ^ (1 << bit);
        assert.equal(findMismatch(data, seed, sector * 512), word);
      },
    ),
  );
});

test("a mismatch is found at each word", () => {
  for (let word = 0; word < 256; word += 1) {
    const data = pattern(256, 3, 4096);
    data[word] = ~(data[word] ?? 0);
    assert.equal(findMismatch(data, 3, 4096), word);
  }
});

test("a sector that is not the pattern's is found: zeroes, another place, another pass", () => {
  assert.equal(findMismatch(new Int32Array(128), 7, 1 << 20) >= 0, true);
  assert.equal(findMismatch(pattern(128, 7, 512), 7, 1024) >= 0, true);
  assert.equal(findMismatch(pattern(128, 7, 512), 8, 512) >= 0, true);
});
