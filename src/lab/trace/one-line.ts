/** Ends of lines, sequences that drive a terminal, and what turns the direction of text. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Text of a peer or of a capture as a part of one line: what would end the line or drive a terminal is
 * written as a number, `\x1b`.
 */
export function oneLine(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const digits = (character.codePointAt(0) ?? 0).toString(16);
    return digits.length > 2 ? `\\u${digits.padStart(4, "0")}` : `\\x${digits.padStart(2, "0")}`;
  });
}
