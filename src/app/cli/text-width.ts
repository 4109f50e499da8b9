/** Computes the columns that text occupies on a terminal. */

let segmenter: Intl.Segmenter | undefined;

/** Splits a text into what a terminal shows as characters. Made at first use: that takes 5 ms. */
function graphemes(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return segmenter.segment(text);
}

/** Control characters, escape sequences' first byte included: they would move the cursor. */
const CONTROL = /[\p{Cc}\u2028\u2029]+/gu;
/** Characters that take no column of their own. */
const INVISIBLE = /^[\p{Mark}\p{Cf}]/u;
/** Two columns by default, whatever their block. */
const EMOJI = /^(?:\p{Emoji_Presentation}|\p{Emoji}\uFE0F|\p{Regional_Indicator}{2})/u;

/** Blocks whose characters are Wide or Fullwidth in EastAsianWidth.txt, first and last. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18cff],
  [0x1aff0, 0x1b2fb],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];

/** Columns that a terminal uses for a text without control characters. */
export function textWidth(text: string): number {
  let width = 0;
  for (const { segment } of graphemes(text)) width += graphemeWidth(segment);
  return width;
}

/**
 * Makes one line of a text that is at most as wide as a terminal's line: what is too long ends with
 * "…", and control characters become spaces.
 */
export function fitText(text: string, columns: number): string {
  const line = text.replaceAll(CONTROL, " ");
  if (textWidth(line) <= columns) return line;
  let fitted = "";
  let left = columns - 1;
  for (const { segment } of graphemes(line)) {
    left -= graphemeWidth(segment);
    if (left < 0) break;
    fitted += segment;
  }
  return columns > 0 ? `${fitted}…` : "";
}

function graphemeWidth(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0;
  if (code < 0x7f) return grapheme.includes("\uFE0F") ? 2 : 1;
  if (INVISIBLE.test(grapheme)) return 0;
  const isWide = WIDE.some(([first, last]) => code >= first && code <= last);
  return isWide || EMOJI.test(grapheme) ? 2 : 1;
}
