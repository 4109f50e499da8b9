/** Decimal numbers that are written again as they were: no leading zero, and exact in a double. */
const NUMBERS = /(?<!\d)(?:0|[1-9]\d{0,14})(?!\d)/g;
/** The place of a number in a template: no text of a trace has it, as control characters are escaped. */
export const NUMBER_MARK = "\u0001";

/** A text without its numbers, which most lines of a trace have in common, and the numbers. */
export interface SplitText {
  readonly template: string;
  readonly numbers: readonly number[];
}

/** Takes the numbers out of a text. */
export function splitText(text: string): SplitText {
  const numbers: number[] = [];
  const template = text.replaceAll(NUMBER_MARK, " ").replace(NUMBERS, (digits) => {
    numbers.push(Number(digits));
    return NUMBER_MARK;
  });
  return { template, numbers };
}
