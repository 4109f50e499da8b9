/**
 * Data that depends on its position: every 32-bit word follows from seed and word number, so
 * that a block written to the wrong place, an old one or a torn one is found.
 */
function word(seed: number, index: number): number {
  // The word number may exceed 32 bits; both halves go in.
  let x = (seed ^ Math.imul(index | 0, 0x9e3779b1) ^ Math.floor(index / 2 ** 32)) | 0;
  x = Math.imul(x ^ (x >>> 15), 0x85ebca77);
  return x ^ (x >>> 13);
}

/** Fills a buffer with the pattern of byte position `position`, a multiple of 4, as its length. */
export function fillPattern(words: Int32Array, seed: number, position: number): void {
  const first = position / 4;
  for (let i = 0; i < words.length; i += 1) words[i] = word(seed, first + i);
}

/** Index of the first word that is not the pattern's; -1: all are. */
export function findMismatch(words: Int32Array, seed: number, position: number): number {
  const first = position / 4;
  for (let i = 0; i < words.length; i += 1) if (words[i] !== word(seed, first + i)) return i;
  return -1;
}

/** Returns the word of the pattern at a byte position. */
export function expectedWord(seed: number, position: number): number {
  return word(seed, position / 4);
}
