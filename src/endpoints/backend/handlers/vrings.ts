import { ProtocolError } from "../../../core/base/index.ts";
import type { OwnedFd } from "../../../core/os/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  requestSpec,
  type VringFd,
} from "../../../core/protocol/index.ts";
import type { HandlerRegistry, Incoming } from "../../../core/session/index.ts";
import type { SessionState } from "../session-state.ts";
import type { Vring } from "../vring.ts";

const {
  GetVringBase,
  GetVringBaseSkipDrain,
  SetVringAddr,
  SetVringBase,
  SetVringCall,
  SetVringEnable,
  SetVringErr,
  SetVringKick,
  SetVringNum,
  VringKick,
} = FrontendRequest;

/** Setting rings up, starting and stopping them. */
export function answerVrings(session: SessionState, answerer: HandlerRegistry<"front-end">): void {
  const ring = (request: FrontendRequest, index: number): Vring =>
    session.vring(index, nameOf(request));
  answerer.on(SetVringNum, ({ index, num }) => ring(SetVringNum, index).setSize(num));
  answerer.on(SetVringBase, ({ index, num }) => ring(SetVringBase, index).setBase(num));
  answerer.on(SetVringAddr, (address) => ring(SetVringAddr, address.index).setAddress(address));
  answerer.on(SetVringEnable, ({ index, num }) => {
    // With GET_VRING_BASE_SKIP_DRAIN the request that stops the ring says whether to wait.
    const skips = session.negotiation.has(ProtocolFeature.GetVringBaseSkipDrain);
    return ring(SetVringEnable, index).setEnabled(num !== 0, skips ? "leave in flight" : "drain");
  });
  answerer.on(GetVringBase, async ({ index }) => ({
    index,
    num: await ring(GetVringBase, index).stop(),
  }));
  answerer.on(GetVringBaseSkipDrain, async ({ index }) => ({
    index,
    num: await ring(GetVringBaseSkipDrain, index).stop("leave in flight"),
  }));
  answerer.on(VringKick, ({ index }) => ring(VringKick, index).kick());
  answerer.on(SetVringKick, (payload, incoming) =>
    ring(SetVringKick, payload.index).setKick(eventOf(SetVringKick, payload, incoming)),
  );
  answerer.on(SetVringCall, (payload, incoming) =>
    ring(SetVringCall, payload.index).setCall(eventOf(SetVringCall, payload, incoming)),
  );
  answerer.on(SetVringErr, (payload, incoming) =>
    ring(SetVringErr, payload.index).setError(eventOf(SetVringErr, payload, incoming)),
  );
}

/** @throws {ProtocolError} bit 8 and the descriptor contradict each other */
function eventOf(
  request: FrontendRequest,
  { noFd }: VringFd,
  { fds }: Incoming,
): OwnedFd | undefined {
  if (noFd === (fds.length === 0)) return fds.shift();
  const name = nameOf(request);
  throw new ProtocolError(
    `${name}: expected ${noFd ? "no descriptor, as bit 8 is set" : "a descriptor, as bit 8 is clear"}, ` +
      `got ${fds.length}`,
    { request: name, field: "descriptors" },
  );
}

function nameOf(request: FrontendRequest): string {
  return requestSpec("front-end", request)?.name ?? `request ${request}`;
}
