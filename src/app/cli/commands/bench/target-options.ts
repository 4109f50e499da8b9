import { Option } from "commander";
import { execOption, parseCount } from "../../options.ts";

/** `--exec`, which may be given once for each target. */
export const execEachOption = new Option(
  execOption.flags,
  `${execOption.description}; may be repeated`,
).argParser((command: string, before: readonly string[] | undefined) => [
  ...(before ?? []),
  command,
]);

export const runsOption = new Option(
  "--runs <number>",
  "measurements of each target; default: 1, with several targets 5",
).argParser(parseCount(1000));

/** Help about several targets or several runs. */
export const COMPARISON_HELP = `
Several targets, or --runs: the targets are measured in alternation (A B B A …), sockets first, then
--exec. The result has the median and the quartiles of each target, and the median ratio of the pairs
to the first target.`;
