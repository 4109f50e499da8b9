/** What to do about messages that do not say it themselves, by their templates. */
export const listedRemedies: Readonly<Record<string, string>> = {
  "the load has sent no request<since> for <value> s (--stall-timeout)":
    "start the load, or give it longer with --stall-timeout",
  "<words> ended with <code>: <value>": "correct what the output of the program says",
  "session <begun>: <message>": "look up the message behind the number of the session",
  "expected <name> of at least <least> (<was> less <tolerance> %), got <is> (<change> %)":
    "find what made the target slower, allow more with --tolerance, or record a new baseline with --json-file",
  "<skip> of <length> checks skipped: <reason>":
    "have the target run, and accept connections, to the end of the suite",
  "<failed> of <length> checks failed":
    "see the report for the reason of each; --only ID -v repeats one with its messages",
  "0 judged of <length> checks<why>":
    "choose checks that the target can be judged by, or have it offer what they need",
  "<length> of <length> targets failed<what>": "see the report of each target",
  "the source changed <missed> pages that it did not mark in the dirty log, the first at guest address 0x<value> (seed <seed>)":
    "the source has a fault: report it to its authors; --seed repeats the run",
  "<reason> (seed <seed>)": "look up the reason; --seed repeats the run",
  "<failed> of the tests failed": "see the reason below the title of each failed test",
  "the device took <left> frames and then none within <wait ms> ms; <left> are left":
    "look for the reason in the back-end's own output, or wait longer with --io-timeout",
  "none of <count> echo requests was answered":
    "check the address, and that the device's network has a station that answers",
  "column <value>: <what>\n  <filter>\n  <value>^":
    "correct the filter at the mark; trace --help-filter explains filters",
  "cannot <what>: <reason>": "correct what the reason says; the rest was closed and removed",
  "no request completed after the warm-up": "run it longer with --runtime, or look at the back-end",
  "no session came up": "run it longer with --runtime, or look at the back-end",
  "the back-end used no frame after the warm-up":
    "run it longer with --runtime, or look at the back-end",
  "no frame was received after the warm-up: does the back-end send any?":
    "use a back-end that sends frames by itself, such as serve net --traffic source",
  "the back-end returned no frame after the warm-up: does it echo frames?":
    "use a back-end that echoes frames, such as serve net --traffic echo",
  "<target>: <what it did>[: expected <answer>, got <answer>][; is this a back-end?]":
    "check that the target is a back-end, and look at its output",
  "the back-end's <growth>": "the back-end has a leak: report it to its authors",
  "a client process's <growth>": "a bug of this package: report it with the output of -v",
  "data differs at byte <offset>: expected <expected>, got <actual>":
    "the back-end has a fault, unless another program wrote to the device meanwhile",
  "xz cannot unpack <path>: <stderr>": "install the package of the kernel again",
  "zstd cannot unpack <path>: <stderr>": "install the package of the kernel again",
};
