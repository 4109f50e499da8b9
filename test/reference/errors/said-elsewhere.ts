/**
 * What errors say whose message is made at another place than the error, by file and source of the
 * message.
 */
export const saidElsewhere: Readonly<Record<string, readonly string[]>> = {
  'app/cli/clean-up.ts: messages.join("\\n")': ["cannot <what>: <reason>"],
  "app/cli/commands/bench/target.ts: nothing": [
    "no request completed after the warm-up",
    "no session came up",
    "the back-end used no frame after the warm-up",
    "no frame was received after the warm-up: does the back-end send any?",
    "the back-end returned no frame after the warm-up: does it echo frames?",
  ],
  "app/cli/commands/conform/judge.ts: text": [
    "<target>: <what it did>[: expected <answer>, got <answer>][; is this a back-end?]",
  ],
  'app/cli/devices/block/stress.ts: faults.join("\\n")': [
    "the back-end's <growth>",
    "a client process's <growth>",
  ],
  "endpoints/netstack/station.ts: tooLate(timeoutMs)": [
    "no station answered within <ms> ms that it has <address>",
    "no reply to echo <sequence> within <ms> ms",
    "no DHCP server answered with <name> within <ms> ms",
  ],
  "lab/kits/block/workloads/bench.ts: failed.failure": [],
  "lab/programs/process/managed-process.ts: this.describe(`${this.name} ${this.exitText} ${when}`)":
    [
      "<name> exited with code <code> <when>; its last output: <lines>",
      "<name> was ended by <signal> <when>; its last output: <lines>",
    ],
};
