import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { systemCode, UsageError } from "../../../core/base/index.ts";
import { withUserFile } from "../files.ts";

/** More bytes than a pid and a line end have. */
const LONGEST_TEXT = 32;

/** A file that holds the pid of this process while it runs. */
export class PidFile {
  readonly #path: string;
  readonly #device: bigint;
  readonly #inode: bigint;

  /**
   * Makes the file. One whose process is gone is replaced.
   *
   * @throws {UsageError} the file names a process that runs, or is not a pid file
   * @throws {EnvironmentError} it cannot be written
   */
  static create(path: string): PidFile {
    return withUserFile(path, "a pid file", "make its folder first", () => {
      try {
        return new PidFile(path);
      } catch (error) {
        if (systemCode(error) !== "EEXIST") throw error;
      }
      removeStale(path);
      return new PidFile(path);
    });
  }

  private constructor(path: string) {
    const fd = openSync(path, "wx", 0o644);
    try {
      const { dev, ino } = fstatSync(fd, { bigint: true });
      this.#path = path;
      this.#device = dev;
      this.#inode = ino;
      try {
        writeSync(fd, `${process.pid}\n`);
      } catch (error) {
        unlinkSync(path);
        throw error;
      }
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Removes the file, if it still is the one that was made.
   *
   * @throws Node's errors of unlink(2)
   */
  remove(): void {
    const now = lstatSync(this.#path, { bigint: true, throwIfNoEntry: false });
    if (now?.dev === this.#device && now.ino === this.#inode) unlinkSync(this.#path);
  }
}

function removeStale(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  let pid: number;
  try {
    const isFile = fstatSync(fd).isFile();
    const bytes = Buffer.alloc(LONGEST_TEXT);
    const text = isFile ? bytes.toString("latin1", 0, readSync(fd, bytes)) : "";
    pid = /^\d{1,9}\s*$/.test(text) ? Number.parseInt(text, 10) : 0;
  } finally {
    closeSync(fd);
  }
  if (pid === 0) {
    throw new UsageError(
      `${path}: the file exists and does not hold a pid; choose another path, or remove it yourself`,
    );
  }
  if (isRunning(pid)) {
    throw new UsageError(
      `${path}: process ${pid}, which it names, runs; stop it, or choose another path`,
    );
  }
  unlinkSync(path);
}

/** A container's process often has the pid of the one before it. */
function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== "ESRCH";
  }
}
