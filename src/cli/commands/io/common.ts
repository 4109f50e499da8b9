import { PeerClosedError, TimeoutError } from "../../../base/index.ts";
import type { Client } from "../../../frontend/index.ts";
import type { ConnectOptions } from "../../connect-client.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";

/** Options of everything that sends requests to a back-end. */
export interface RequestOptions extends ConnectOptions {
  /** Milliseconds. */
  readonly ioTimeout: number;
}

/** Uses a client and closes it: its handshake is over, so what is lost is a failed request. */
export async function withClient(
  client: Client,
  use: (client: Client) => Promise<void>,
): Promise<void> {
  try {
    await use(client);
  } catch (error) {
    if (!isLoss(error)) throw error;
    throw new CommandError(ExitCode.Failed, error.message, { cause: error });
  } finally {
    await client.close();
  }
}

/** Once the handshake is over, what is lost is a failed request and not an unreachable target. */
export function isLoss(error: unknown): error is Error {
  return error instanceof TimeoutError || error instanceof PeerClosedError;
}
