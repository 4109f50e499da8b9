import { PeerClosedError, TimeoutError } from "../../../../core/base/index.ts";
import type { Client } from "../../../../endpoints/frontend/index.ts";
import { type ConnectOptions, type DriverTarget, openDriver } from "../../connect-client.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";

/** Options of everything that sends requests to a back-end. */
export interface RequestOptions extends ConnectOptions {
  /** Milliseconds. */
  readonly ioTimeout: number;
}

/**
 * Opens a session, brings a driver up, uses it, and closes the session. Once the session is open,
 * what is lost is a failed request.
 */
export async function withDriverOf<D>(
  target: DriverTarget,
  start: (client: Client) => Promise<D>,
  use: (driver: D) => Promise<void>,
): Promise<void> {
  let isOpen = false;
  try {
    const { client, driver } = await openDriver(target, async (opened) => {
      isOpen = true;
      return start(opened);
    });
    try {
      await use(driver);
    } finally {
      await client.close();
    }
  } catch (error) {
    if (!isOpen || !isLoss(error)) throw error;
    throw new CommandError(ExitCode.Failed, error.message, { cause: error });
  }
}

/**
 * Returns whether an error is the loss of the back-end: after the handshake it means a failed
 * request and not an unreachable target.
 */
export function isLoss(error: unknown): error is Error {
  return error instanceof TimeoutError || error instanceof PeerClosedError;
}
