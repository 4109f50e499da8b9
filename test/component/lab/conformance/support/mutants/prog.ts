import type { Mutant } from "../mutant.ts";

const program = (fault: string, script: string): Mutant => ({ fault, base: "program", script });

/** What the program does where its words fit a pattern of the shell's. */
const where = (fault: string, pattern: string, then: string): Mutant =>
  program(fault, `case "$*" in ${pattern}) ${then};; esac; exec "$@"`);

/** Put in front of a program of Node's: its listeners never hear of SIGTERM. */
const DEAF =
  "data:text/javascript,const{emit}=process;process.emit=(name,...more)=>name===`SIGTERM`||emit.call(process,name,...more)";

export const prog: Readonly<Record<string, Mutant>> = {
  "prog/1": where(
    "takes no --socket-path but that of its first start",
    "*--socket-path=*/other.sock*",
    "echo 'unknown socket' >&2; exit 1",
  ),
  "prog/5": where(
    "prints its options, and not as JSON",
    "*--print-capabilities*",
    "echo 'type: block'; exit 0",
  ),
  "prog/6": program("does not hear SIGTERM", `NODE_OPTIONS='--import=${DEAF}' exec "$@"`),
  "prog/8": where("ends with code 0 where it cannot start", "*--no-such-option*", "exit 0"),
};
