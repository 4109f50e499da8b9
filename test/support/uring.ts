import { asError } from "../../src/core/base/index.ts";
import { Uring } from "../../src/core/os/index.ts";

/** For a test's `skip`: false where io_uring works, else the reason; with `CI=true` it throws. */
export function uringSkip(): false | string {
  try {
    Uring.create({ entries: 8, completions: 16, deferred: false }).close();
    return false;
  } catch (error) {
    const reason = `io_uring cannot be used here: ${asError(error).message}`;
    if (process.env["CI"] === "true") throw new Error(reason, { cause: error });
    return reason;
  }
}
