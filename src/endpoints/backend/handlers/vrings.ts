import { ProtocolError } from "../../../core/base/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  requestSpec,
  type VringAddress,
  type VringFd,
  type VringState,
} from "../../../core/protocol/index.ts";
import type { Incoming, RequestHandler } from "../../../core/session/index.ts";
import type { BackendSession } from "../session.ts";
import type { Vring } from "../vring.ts";

/** Setting rings up, starting and stopping them. */
export function answerVrings(
  session: BackendSession,
  on: (request: number, handler: RequestHandler) => void,
): void {
  const withRing = (
    request: FrontendRequest,
    serve: (vring: Vring, state: VringState) => unknown,
  ) => {
    const name = requestSpec("front-end", request)?.name ?? "";
    on(request, (payload) => {
      const state = payload as VringState;
      return serve(session.vring(state.index, name), state);
    });
  };
  const withEvent = (
    request: FrontendRequest,
    serve: (vring: Vring, fd: Incoming["fds"][number] | undefined) => void,
  ) => {
    const name = requestSpec("front-end", request)?.name ?? "";
    on(request, (payload, { fds }) => {
      const { index, noFd } = payload as VringFd;
      const vring = session.vring(index, name);
      if (noFd !== (fds.length === 0)) {
        throw new ProtocolError(
          `${name}: expected ${noFd ? "no descriptor, as bit 8 is set" : "a descriptor, as bit 8 is clear"}, ` +
            `got ${fds.length}`,
          { request: name, field: "descriptors" },
        );
      }
      serve(vring, fds.shift());
    });
  };
  withRing(FrontendRequest.SetVringNum, (vring, { num }) => vring.setSize(num));
  withRing(FrontendRequest.SetVringBase, (vring, { num }) => vring.setBase(num));
  withRing(FrontendRequest.SetVringAddr, (vring, state) =>
    vring.setAddress(state as unknown as VringAddress),
  );
  withRing(FrontendRequest.SetVringEnable, (vring, { num }) => {
    // With GET_VRING_BASE_SKIP_DRAIN the request that stops the ring says whether to wait.
    const skips = session.negotiation.has(ProtocolFeature.GetVringBaseSkipDrain);
    return vring.setEnabled(num !== 0, skips ? "leave in flight" : "drain");
  });
  withRing(FrontendRequest.GetVringBase, async (vring) => ({
    index: vring.index,
    num: await vring.stop(),
  }));
  withRing(FrontendRequest.GetVringBaseSkipDrain, async (vring) => ({
    index: vring.index,
    num: await vring.stop("leave in flight"),
  }));
  withRing(FrontendRequest.VringKick, (vring) => vring.kick());
  withEvent(FrontendRequest.SetVringKick, (vring, fd) => vring.setKick(fd));
  withEvent(FrontendRequest.SetVringCall, (vring, fd) => vring.setCall(fd));
  withEvent(FrontendRequest.SetVringErr, (vring, fd) => vring.setError(fd));
}
