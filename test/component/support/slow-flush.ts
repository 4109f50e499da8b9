import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import type { TestContext } from "node:test";

export interface SlowFlush {
  /** Flushes that have begun and not ended. */
  readonly pending: number;
  /** Ends them. */
  release(): void;
}

/** Flushes of this thread end only when the test says so; as ever again after the test. */
export function slowFlush(t: TestContext): SlowFlush {
  const { fdatasync } = fs;
  const held: (() => void)[] = [];
  const slow = (fd: number, callback: fs.NoParamCallback): void => {
    held.push(() => fdatasync(fd, callback));
  };
  const release = (): void => {
    for (const end of held.splice(0)) end();
  };
  fs.fdatasync = slow as typeof fdatasync;
  syncBuiltinESMExports();
  t.after(() => {
    fs.fdatasync = fdatasync;
    syncBuiltinESMExports();
    release();
  });
  return {
    get pending() {
      return held.length;
    },
    release,
  };
}
