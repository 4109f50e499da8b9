import { NegotiationError, ProtocolError, StateError } from "../../../core/base/index.ts";
import {
  type DeviceStateParams,
  FrontendRequest,
  MigrationPhase,
  TransferDirection,
} from "../../../core/protocol/index.ts";
import type { RequestHandler } from "../../../core/session/index.ts";
import { type DeviceState, StateTransfer } from "../device-state.ts";
import type { BackendSession } from "../session.ts";

/** The front-end's descriptor is used as it is: bit 8, no descriptor comes back. */
const STARTED = 0x100n;
const REFUSED = STARTED | 1n;

/** The device's own state goes out, or comes in. */
export function answerDeviceState(
  session: BackendSession,
  on: (request: number, handler: RequestHandler) => void,
): void {
  let transfer: StateTransfer | undefined;
  on(FrontendRequest.SetDeviceStateFd, (payload, { fds }) => {
    try {
      const state = expectTransfer(session, payload as DeviceStateParams, transfer);
      const fd = fds.shift();
      if (fd === undefined) throw new ProtocolError("expected a descriptor for the device state");
      const begun = new StateTransfer(state, (payload as DeviceStateParams).direction, fd);
      void session.closed.then(() => begun.abort("the session has ended"));
      transfer = begun;
      return STARTED;
    } catch (error) {
      session.refuse(error);
      return REFUSED;
    }
  });
  on(FrontendRequest.CheckDeviceState, async () => {
    const asked = transfer;
    transfer = undefined;
    const error = asked ? await asked.result() : new StateError("no device state was transferred");
    if (error !== undefined) session.refuse(error);
    return error === undefined ? 0n : 1n;
  });
}

function expectTransfer(
  { device, suspended }: BackendSession,
  { direction, phase }: DeviceStateParams,
  before: StateTransfer | undefined,
): DeviceState {
  const request = "VHOST_USER_SET_DEVICE_STATE_FD";
  if (device.state === undefined)
    throw new NegotiationError(`${request}: the device has no state of its own`);
  if (phase !== MigrationPhase.Stopped)
    throw new ProtocolError(`${request}: expected phase 0 (stopped), got ${phase}`);
  if (direction !== TransferDirection.Save && direction !== TransferDirection.Load)
    throw new ProtocolError(`${request}: expected direction 0 or 1, got ${direction}`);
  if (!suspended)
    throw new StateError(
      `${request}: expected all rings to be stopped; stop them with VHOST_USER_GET_VRING_BASE`,
    );
  if (before?.running === true)
    throw new StateError(`${request}: the transfer before has not ended`);
  return device.state;
}
