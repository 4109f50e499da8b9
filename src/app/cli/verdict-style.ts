import type { Mark, Verdict } from "../../lab/results/index.ts";
import type { Output } from "./output.ts";

const COLOURS: Readonly<Record<Verdict, "green" | "red" | "yellow" | "cyan">> = {
  PASS: "green",
  FAIL: "red",
  WARN: "yellow",
  SKIP: "cyan",
  INFO: "cyan",
  ERROR: "red",
  XFAIL: "yellow",
  XPASS: "red",
};

/** Returns a function that colours verdicts where the output is a terminal. */
export function verdictStyle(output: Output): Mark {
  return (verdict, text) => output.style(COLOURS[verdict], text);
}
