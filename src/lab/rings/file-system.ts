import { readFileSync } from "node:fs";

/**
 * The type of the file system that a descriptor's file is in, for example `ext4` or `fuse`. The kernel's
 * tables are read and the file system is not asked, because the program that serves it may be the one
 * that waits. Undefined for a file without a mount, for example a memfd.
 */
export function fileSystemOf(fd: number): string | undefined {
  try {
    const information = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    const [, mount] = /^mnt_id:\s*(\d+)$/m.exec(information) ?? [];
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    const line = mounts.find((each) => each.startsWith(`${mount} `));
    return / - (\S+)/.exec(line ?? "")?.[1];
  } catch {
    return undefined;
  }
}
