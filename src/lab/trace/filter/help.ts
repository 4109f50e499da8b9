import { terms } from "./terms.ts";

/** The page of `trace --help-filter`. */
export function filterHelp(): string {
  const width = Math.max(...terms.map(({ form }) => form.length));
  return `A filter chooses the events that are printed. It has words, and signs between them:

${terms.map(({ form, text }) => `  ${form.padEnd(width)}  ${text}`).join("\n")}

  ${"A B, A & B".padEnd(width)}  both
  ${"A | B".padEnd(width)}  either; & binds more tightly
  ${"! A".padEnd(width)}  not
  ${"( A )".padEnd(width)}  first

Examples:
  SET_VRING_* & ring=0
  error | slower=10ms
  ! (GET_* | SET_VRING_CALL) & session=0`;
}
