import { asError } from "../../../core/base/index.ts";
import { sendDatagram } from "../../../core/os/index.ts";

/**
 * Notifies the service manager of a change of state (`sd_notify(3)`), where there is one.
 *
 * @param address the value of NOTIFY_SOCKET: an absolute path, or an abstract address with `@`
 * @param state e.g. `READY=1`
 * @returns why it could not be notified
 */
export function notifyManager(address: string | undefined, state: string): string | undefined {
  if (address === undefined || address === "") return undefined;
  try {
    sendDatagram(address, Buffer.from(state));
    return undefined;
  } catch (error) {
    const reason = asError(error).message;
    return `cannot notify the service manager (${state}): ${reason}`;
  }
}
