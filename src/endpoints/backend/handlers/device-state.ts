import { NegotiationError, ProtocolError, StateError } from "../../../core/base/index.ts";
import {
  type DeviceStateParams,
  FrontendRequest,
  MigrationPhase,
  TransferDirection,
} from "../../../core/protocol/index.ts";
import type { HandlerRegistry } from "../../../core/session/index.ts";
import { type DeviceState, StateTransfer } from "../device-state.ts";
import type { SessionState } from "../session-state.ts";

/** The reply that accepts the front-end's descriptor: bit 8 says that the reply itself has none. */
const STARTED = 0x100n;
const REFUSED = STARTED | 1n;

/** The device's own state goes out, or comes in. */
export function answerDeviceState(
  session: SessionState,
  answerer: HandlerRegistry<"front-end">,
): void {
  let transfer: StateTransfer | undefined;
  answerer.on(FrontendRequest.SetDeviceStateFd, (params, { fds }) => {
    try {
      const state = expectTransfer(session, params, transfer);
      const fd = fds.shift();
      if (fd === undefined)
        throw new ProtocolError("VHOST_USER_SET_DEVICE_STATE_FD: the descriptor is missing");
      const begun = new StateTransfer(state, params.direction, fd);
      void session.closed.then(() => begun.abort("the session has ended"));
      transfer = begun;
      return STARTED;
    } catch (error) {
      session.problems.refuse(error);
      return REFUSED;
    }
  });
  answerer.on(FrontendRequest.CheckDeviceState, async () => {
    const asked = transfer;
    transfer = undefined;
    const error = asked ? await asked.result() : new StateError("no device state was transferred");
    if (error !== undefined) session.problems.refuse(error);
    return error === undefined ? 0n : 1n;
  });
}

function expectTransfer(
  { capabilities, suspended }: SessionState,
  { direction, phase }: DeviceStateParams,
  before: StateTransfer | undefined,
): DeviceState {
  const request = "VHOST_USER_SET_DEVICE_STATE_FD";
  if (capabilities.migration === undefined)
    throw new NegotiationError(`${request}: the device has no state of its own`);
  if (phase !== MigrationPhase.Stopped)
    throw new ProtocolError(`${request}: expected phase 0 (stopped), got ${phase}`);
  if (direction !== TransferDirection.Save && direction !== TransferDirection.Load)
    throw new ProtocolError(`${request}: expected direction 0 or 1, got ${direction}`);
  if (!suspended)
    throw new StateError(
      `${request}: a ring is running; stop all rings with VHOST_USER_GET_VRING_BASE first`,
    );
  if (before?.running === true)
    throw new StateError(`${request}: the transfer before has not ended`);
  return capabilities.migration;
}
