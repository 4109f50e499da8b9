import { readFileSync } from "node:fs";

// Stand-in until src/os/proc-net-unix.ts exists.
export function isListening(path: string): boolean {
  return readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .some((line) => {
      const match = /^\S+ \S+ \S+ (\S+) \S+ \S+\s+\S+ (.*)$/.exec(line);
      return (
        match !== null &&
        (Number.parseInt(match[1] ?? "0", 16) & 0x10000) !== 0 &&
        match[2] === path
      );
    });
}
