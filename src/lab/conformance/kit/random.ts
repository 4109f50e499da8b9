/**
 * Numbers from 0 to 1 that a seed repeats (FNV-1a of the text, then mulberry32): enough for choosing
 * inputs, and the same on every machine.
 */
export function seededRandom(seed: string): () => number {
  let state = 0x811c_9dc5;
  for (const byte of Buffer.from(seed)) state = Math.imul(state ^ byte, 0x0100_0193);
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
