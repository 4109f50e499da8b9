import { NegotiationError, StateError } from "../../../core/base/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
  virtioFeatureNames,
} from "../../../core/protocol/index.ts";
import type { HandlerRegistry } from "../../../core/session/index.ts";
import type { SessionState } from "../session-state.ts";
import { changeLog } from "./log.ts";

/** Notifications by message go both ways, each with an answer. */
const INBAND_NEEDS = ProtocolFeature.BackendReq | ProtocolFeature.ReplyAck;
const SKIP_DRAIN_NEEDS = ProtocolFeature.InflightShmfd | ProtocolFeature.GetVringBaseInflight;

/** Features, ownership, status, reset. */
export function answerNegotiation(
  session: SessionState,
  answerer: HandlerRegistry<"front-end">,
): void {
  const { negotiation } = session;
  answerer.on(FrontendRequest.GetFeatures, () => session.features);
  answerer.on(FrontendRequest.SetFeatures, async (features) => setFeatures(session, features));
  answerer.on(FrontendRequest.GetProtocolFeatures, () => session.protocolFeatures);
  answerer.on(FrontendRequest.SetProtocolFeatures, (features) => {
    const unknown = features & ~session.protocolFeatures;
    if (unknown !== 0n) {
      throw new NegotiationError(
        `VHOST_USER_SET_PROTOCOL_FEATURES: the device does not offer ` +
          protocolFeatureNames(unknown).join(", "),
      );
    }
    const messages = features & ProtocolFeature.InbandNotifications;
    if (messages !== 0n && (features & INBAND_NEEDS) !== INBAND_NEEDS) {
      throw new NegotiationError(
        "VHOST_USER_SET_PROTOCOL_FEATURES: VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS needs " +
          protocolFeatureNames(INBAND_NEEDS).join(" and "),
      );
    }
    const skipDrain = features & ProtocolFeature.GetVringBaseSkipDrain;
    if (skipDrain !== 0n && (features & SKIP_DRAIN_NEEDS) !== SKIP_DRAIN_NEEDS) {
      throw new NegotiationError(
        "VHOST_USER_SET_PROTOCOL_FEATURES: VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN needs " +
          protocolFeatureNames(SKIP_DRAIN_NEEDS).join(" and "),
      );
    }
    negotiation.protocolFeatures = features;
  });
  // A second SET_OWNER does not end the session: the socket has one peer only.
  answerer.on(FrontendRequest.SetOwner, () => undefined);
  answerer.on(FrontendRequest.ResetOwner, async () => session.resetOwner());
  answerer.on(FrontendRequest.GetQueueNum, () => {
    const { capabilities, device } = session;
    return BigInt(capabilities.network?.queuePairs ?? device.maxQueues);
  });
  answerer.on(FrontendRequest.SetBackendReqFd, (_payload, { fds }) => {
    const fd = fds.shift();
    if (fd) session.requests.adopt(fd);
  });
  answerer.on(FrontendRequest.ResetDevice, () => session.reset());
  answerer.on(FrontendRequest.GetStatus, () => BigInt(session.status));
  answerer.on(FrontendRequest.SetStatus, async (status) => {
    session.status = Number(status & 0xffn);
    if (session.status === 0) await session.reset();
  });
}

async function setFeatures(session: SessionState, features: bigint): Promise<void> {
  const { negotiation, vrings, device, capabilities } = session;
  const unknown = features & ~session.features;
  if (unknown !== 0n) {
    throw new NegotiationError(
      `VHOST_USER_SET_FEATURES: the device does not offer ` +
        virtioFeatureNames(unknown, device.type).join(", "),
    );
  }
  if (
    (features & VirtioFeature.Version1) === 0n &&
    (session.features & VirtioFeature.Version1) !== 0n
  ) {
    throw new NegotiationError(
      "VHOST_USER_SET_FEATURES: the driver did not acknowledge VIRTIO_F_VERSION_1, which was offered: " +
        "legacy drivers are not served; use a current driver, and no disable-modern=on at QEMU's device",
    );
  }
  const changed = features ^ negotiation.features;
  if ((changed & ~VirtioFeature.LogAll) !== 0n && vrings.some((vring) => vring.started)) {
    throw new StateError(
      "VHOST_USER_SET_FEATURES: only VHOST_F_LOG_ALL can change while rings run; " +
        "stop them with VHOST_USER_GET_VRING_BASE",
    );
  }
  negotiation.features = features;
  if ((changed & VirtioFeature.LogAll) !== 0n) {
    const all = (features & VirtioFeature.LogAll) !== 0n;
    await changeLog(session, (log) => (log.all = all));
  }
  capabilities.lifecycle?.negotiated?.(features);
  // Without VHOST_USER_F_PROTOCOL_FEATURES no request could enable a ring.
  if ((features & VirtioFeature.ProtocolFeatures) === 0n) {
    await session.setAllEnabled(true);
  }
}
