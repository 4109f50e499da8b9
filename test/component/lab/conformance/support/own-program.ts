import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProgramTarget } from "../../../../../src/lab/conformance/index.ts";
import { packageRoot } from "../../../../support/package-root.ts";
import type { Mutant } from "./mutant.ts";

const DISK_BYTES = 1 << 20;
/** A program of Node's is slow to start where the machine has other things to do. */
const START_MS = 20_000;

/** `vhost-user-block` as a process of its own, behind a shell's script where it is a mutant. */
export class OwnProgram extends ProgramTarget {
  readonly #folder: string;

  static of(mutant?: Mutant): OwnProgram {
    const folder = mkdtempSync(join(tmpdir(), "vhost-user-program-"));
    const path = (name: string): string => join(folder, name);
    // By this name it knows what it is.
    symlinkSync(join(packageRoot, "bin", "vhost-user-block.js"), path("vhost-user-block"));
    writeFileSync(path("disk.img"), "");
    truncateSync(path("disk.img"), DISK_BYTES);
    writeFileSync(path("wrapper.sh"), mutant?.script ?? 'exec "$@"');
    const words = [
      "/bin/sh",
      path("wrapper.sh"),
      process.execPath,
      path("vhost-user-block"),
      "--socket-path={socket}",
      `--blk-file=${path("disk.img")}`,
    ];
    return new OwnProgram(folder, words.map((word) => `'${word}'`).join(" "));
  }

  private constructor(folder: string, command: string) {
    super(command, { timeoutMs: START_MS });
    this.#folder = folder;
  }

  override async close(): Promise<void> {
    await super.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
