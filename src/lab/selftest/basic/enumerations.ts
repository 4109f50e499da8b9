import {
  BackendRequest,
  FrontendRequest,
  ProtocolFeature,
  protocolFeatureNames,
  requestSpec,
  VirtioFeature,
  virtioFeatureNames,
} from "../../../core/protocol/index.ts";
import { expectEqual, expectThat } from "../expect.ts";
import type { TestCase } from "../group.ts";

/** Numbers as the specification has them. */
const FRONTEND =
  `GET_FEATURES SET_FEATURES SET_OWNER RESET_OWNER SET_MEM_TABLE SET_LOG_BASE SET_LOG_FD
  SET_VRING_NUM SET_VRING_ADDR SET_VRING_BASE GET_VRING_BASE SET_VRING_KICK SET_VRING_CALL SET_VRING_ERR
  GET_PROTOCOL_FEATURES SET_PROTOCOL_FEATURES GET_QUEUE_NUM SET_VRING_ENABLE SEND_RARP NET_SET_MTU
  SET_BACKEND_REQ_FD IOTLB_MSG SET_VRING_ENDIAN GET_CONFIG SET_CONFIG CREATE_CRYPTO_SESSION
  CLOSE_CRYPTO_SESSION POSTCOPY_ADVISE POSTCOPY_LISTEN POSTCOPY_END GET_INFLIGHT_FD SET_INFLIGHT_FD
  GPU_SET_SOCKET RESET_DEVICE VRING_KICK GET_MAX_MEM_SLOTS ADD_MEM_REG REM_MEM_REG SET_STATUS GET_STATUS
  GET_SHARED_OBJECT SET_DEVICE_STATE_FD CHECK_DEVICE_STATE GET_SHMEM_CONFIG GET_VRING_BASE_SKIP_DRAIN`.split(
    /\s+/,
  );
const BACKEND =
  `IOTLB_MSG CONFIG_CHANGE_MSG VRING_HOST_NOTIFIER_MSG VRING_CALL VRING_ERR SHARED_OBJECT_ADD
  SHARED_OBJECT_REMOVE SHARED_OBJECT_LOOKUP SHMEM_MAP SHMEM_UNMAP`.split(/\s+/);
const PROTOCOL_FEATURES =
  `MQ LOG_SHMFD RARP REPLY_ACK MTU BACKEND_REQ CROSS_ENDIAN CRYPTO_SESSION PAGEFAULT CONFIG
  BACKEND_SEND_FD HOST_NOTIFIER INFLIGHT_SHMFD RESET_DEVICE INBAND_NOTIFICATIONS CONFIGURE_MEM_SLOTS STATUS
  XEN_MMAP SHARED_OBJECT DEVICE_STATE GET_VRING_BASE_INFLIGHT GPA_ADDRESSES SHMEM GET_VRING_BASE_SKIP_DRAIN`.split(
    /\s+/,
  );
/** The bits of the Linux UAPI headers and of VIRTIO. */
const TRANSPORT_FEATURES: readonly (readonly [bit: number, name: string])[] = [
  [24, "VIRTIO_F_NOTIFY_ON_EMPTY"],
  [26, "VHOST_F_LOG_ALL"],
  [27, "VIRTIO_F_ANY_LAYOUT"],
  [28, "VIRTIO_RING_F_INDIRECT_DESC"],
  [29, "VIRTIO_RING_F_EVENT_IDX"],
  [30, "VHOST_USER_F_PROTOCOL_FEATURES"],
  [32, "VIRTIO_F_VERSION_1"],
  [33, "VIRTIO_F_ACCESS_PLATFORM"],
  [34, "VIRTIO_F_RING_PACKED"],
  [35, "VIRTIO_F_IN_ORDER"],
  [36, "VIRTIO_F_ORDER_PLATFORM"],
  [37, "VIRTIO_F_SR_IOV"],
  [38, "VIRTIO_F_NOTIFICATION_DATA"],
  [39, "VIRTIO_F_NOTIF_CONFIG_DATA"],
  [40, "VIRTIO_F_RING_RESET"],
  [41, "VIRTIO_F_ADMIN_VQ"],
  [43, "VIRTIO_F_SUSPEND"],
];

/** Enumeration values. */
export const enumerationCases: readonly TestCase[] = [
  {
    title: "Front-end request numbers are correct (1 to 45)",
    run: () => {
      for (const [i, name] of FRONTEND.entries()) {
        expectEqual(
          `request ${i + 1}`,
          requestSpec("front-end", i + 1)?.name,
          `VHOST_USER_${name}`,
        );
      }
    },
  },
  {
    title: "Back-end request numbers are correct (1 to 10)",
    run: () => {
      for (const [i, name] of BACKEND.entries()) {
        const found = requestSpec("back-end", i + 1)?.name;
        expectEqual(`request ${i + 1}`, found, `VHOST_USER_BACKEND_${name}`);
      }
    },
  },
  {
    title: "Protocol feature bits are correct (0 to 23)",
    run: () => {
      const constants = Object.entries(ProtocolFeature);
      expectEqual("features", constants.length, PROTOCOL_FEATURES.length);
      for (const [bit, name] of PROTOCOL_FEATURES.entries()) {
        const mask = 1n << BigInt(bit);
        const [constant] = constants.find(([, value]) => value === mask) ?? [];
        expectEqual(
          `constant of bit ${bit}`,
          constant?.replaceAll(/(?<!^)[A-Z]/g, "_$&").toUpperCase(),
          name,
        );
        expectEqual(
          `name of bit ${bit}`,
          protocolFeatureNames(mask).join(),
          `VHOST_USER_PROTOCOL_F_${name}`,
        );
      }
    },
  },
  {
    title: "Virtio feature bits are correct",
    run: () => {
      for (const [bit, name] of TRANSPORT_FEATURES) {
        expectEqual(`name of bit ${bit}`, virtioFeatureNames(1n << BigInt(bit)).join(), name);
      }
      expectEqual("VHOST_F_LOG_ALL", VirtioFeature.LogAll, 1n << 26n);
      expectEqual("VIRTIO_RING_F_INDIRECT_DESC", VirtioFeature.IndirectDesc, 1n << 28n);
      expectEqual("VIRTIO_RING_F_EVENT_IDX", VirtioFeature.EventIdx, 1n << 29n);
      expectEqual("VHOST_USER_F_PROTOCOL_FEATURES", VirtioFeature.ProtocolFeatures, 1n << 30n);
      expectEqual("VIRTIO_F_VERSION_1", VirtioFeature.Version1, 1n << 32n);
      expectEqual("VIRTIO_F_RING_PACKED", VirtioFeature.RingPacked, 1n << 34n);
    },
  },
  {
    title: "Unknown request numbers are recognised as unknown",
    run: () => {
      for (const [direction, known] of [
        ["front-end", FrontendRequest],
        ["back-end", BackendRequest],
      ] as const) {
        const last = Math.max(...Object.values(known));
        for (const number of [0, last + 1, 255, 2 ** 32 - 1, -1, 1.5]) {
          expectThat(
            requestSpec(direction, number) === undefined,
            `no ${direction} request ${number}`,
          );
        }
      }
    },
  },
];
