import { TimeoutError } from "../../../../core/base/index.ts";
import { probe } from "../../../../lab/probe/index.ts";

/**
 * Asks a peer that did not answer as a back-end once more, as `probe` does: whether it is a front-end,
 * or silent, and what helps.
 *
 * @param path of its socket
 * @returns undefined: nothing more is known
 */
export async function diagnose(
  path: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { role, program = "a program" } = await probe(path, { timeoutMs, signal });
    if (role === "back-end") return undefined;
    return (
      `${program} listens there and is a front-end: it sends requests and waits for the replies of a back-end; ` +
      "to judge it, start it with --front-end --exec, or have it connect to a socket of --front-end --listen"
    );
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TimeoutError)) return undefined;
    return `${error.message}; --timeout-factor gives it longer`;
  }
}
