import { ProtocolError, StateError } from "../../../core/base/index.ts";
import { FrontendRequest, requestSpec } from "../../../core/protocol/index.ts";
import type { HandlerRegistry } from "../../../core/session/index.ts";
import type { SessionState } from "../session-state.ts";

/** Session id of a crypto session that could not be made. */
const NO_SESSION = -1n;

/** Requests of certain kinds of devices. */
export function answerDeviceRequests(
  session: SessionState,
  answerer: HandlerRegistry<"front-end">,
): void {
  const { network, crypto, gpu, sharedMemory, sharedObjects } = session.capabilities;
  answerer.on(FrontendRequest.SendRarp, (payload) => {
    if (network?.announce === undefined) throw unserved(FrontendRequest.SendRarp);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, payload, true);
    network.announce(bytes.subarray(0, 6));
  });
  answerer.on(FrontendRequest.NetSetMtu, (mtu) => {
    if (network?.setMtu === undefined) throw unserved(FrontendRequest.NetSetMtu);
    if (mtu < 68n || mtu > 65535n) {
      throw badField("VHOST_USER_NET_SET_MTU", "mtu", "68 to 65535", mtu);
    }
    network.setMtu(Number(mtu));
  });
  answerer.on(FrontendRequest.SetVringEndian, ({ index, num }) => {
    session.vring(index, "VHOST_USER_SET_VRING_ENDIAN");
    if (num === 0) return;
    throw new StateError(
      `VHOST_USER_SET_VRING_ENDIAN: ${num} is not 0 (little-endian), the byte order of a device with ` +
        "VIRTIO_F_VERSION_1",
    );
  });
  answerer.on(FrontendRequest.CreateCryptoSession, async (wanted) => {
    if (crypto === undefined) throw unserved(FrontendRequest.CreateCryptoSession);
    try {
      return { ...wanted, sessionId: await crypto.create(wanted) };
    } catch (error) {
      session.problems.refuse(error);
      return { ...wanted, sessionId: NO_SESSION };
    }
  });
  answerer.on(FrontendRequest.CloseCryptoSession, (id) => {
    if (crypto?.close(id)) return;
    throw badField("VHOST_USER_CLOSE_CRYPTO_SESSION", "id", "an open session", id);
  });
  answerer.on(FrontendRequest.GpuSetSocket, (_payload, { fds }) => {
    if (gpu === undefined) throw unserved(FrontendRequest.GpuSetSocket);
    const fd = fds.shift();
    if (fd) gpu.setSocket(fd);
  });
  answerer.on(FrontendRequest.GetShmemConfig, () => {
    const sizes = sharedMemory ?? [];
    return { numRegions: sizes.filter((size) => size !== 0n).length, sizes };
  });
  answerer.on(FrontendRequest.GetSharedObject, ({ uuid }, { replyFds }) => {
    const object = sharedObjects?.find(uuid);
    if (object) replyFds.push(object.duplicate());
    return uuid;
  });
}

/** The device has nothing for it, and did not offer it either. */
function unserved(request: FrontendRequest): ProtocolError {
  const name = requestSpec("front-end", request)?.name ?? "";
  return new ProtocolError(`${name}: this device does not serve it`, { request: name });
}

function badField(request: string, field: string, expected: string, actual: bigint): ProtocolError {
  return new ProtocolError(`${request}: expected ${expected}, got ${actual}`, { request, field });
}
