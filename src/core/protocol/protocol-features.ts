import { explainBits, featureTable, parseFeature } from "./feature-table.ts";
import type { FeatureInfo, FeatureRow } from "./feature-table.ts";

/**
 * Masks of the protocol features, for GET_PROTOCOL_FEATURES and SET_PROTOCOL_FEATURES
 * (specification: "Protocol features"). A member's name is the specification's after
 * `VHOST_USER_PROTOCOL_F_`.
 */
export const ProtocolFeature = {
  Mq: 1n << 0n,
  LogShmfd: 1n << 1n,
  Rarp: 1n << 2n,
  ReplyAck: 1n << 3n,
  Mtu: 1n << 4n,
  BackendReq: 1n << 5n,
  CrossEndian: 1n << 6n,
  CryptoSession: 1n << 7n,
  Pagefault: 1n << 8n,
  Config: 1n << 9n,
  BackendSendFd: 1n << 10n,
  HostNotifier: 1n << 11n,
  InflightShmfd: 1n << 12n,
  ResetDevice: 1n << 13n,
  InbandNotifications: 1n << 14n,
  ConfigureMemSlots: 1n << 15n,
  Status: 1n << 16n,
  XenMmap: 1n << 17n,
  SharedObject: 1n << 18n,
  DeviceState: 1n << 19n,
  GetVringBaseInflight: 1n << 20n,
  GpaAddresses: 1n << 21n,
  Shmem: 1n << 22n,
  GetVringBaseSkipDrain: 1n << 23n,
} as const;

const P = "VHOST_USER_PROTOCOL_F_";

const rows: readonly FeatureRow[] = [
  [0, `${P}MQ`, "the number of queues can be asked for"],
  [1, `${P}LOG_SHMFD`, "the dirty log is shared memory, so the guest can be migrated"],
  [2, `${P}RARP`, "the back-end announces the guest's MAC address after a migration"],
  [3, `${P}REPLY_ACK`, "any request can ask for an acknowledgement"],
  [4, `${P}MTU`, "the front-end sends the MTU", `${P}NET_MTU`],
  [5, `${P}BACKEND_REQ`, "the back-end may send requests of its own", `${P}SLAVE_REQ`],
  [6, `${P}CROSS_ENDIAN`, "byte order of legacy rings can be set"],
  [7, `${P}CRYPTO_SESSION`, "crypto sessions are made and closed by requests"],
  [8, `${P}PAGEFAULT`, "postcopy migration by userfaultfd", `${P}POSTCOPY`],
  [9, `${P}CONFIG`, "the back-end serves the device's configuration space"],
  [10, `${P}BACKEND_SEND_FD`, "the back-end may send descriptors", `${P}SLAVE_SEND_FD`],
  [11, `${P}HOST_NOTIFIER`, "a hardware doorbell can be mapped into the guest"],
  [12, `${P}INFLIGHT_SHMFD`, "requests in flight are tracked in shared memory, to survive a crash"],
  [13, `${P}RESET_DEVICE`, "the device can be reset by a request"],
  [14, `${P}INBAND_NOTIFICATIONS`, "kicks and calls travel as messages, for simulation"],
  [15, `${P}CONFIGURE_MEM_SLOTS`, "memory regions are added and removed one by one"],
  [16, `${P}STATUS`, "the virtio device status is passed on"],
  [17, `${P}XEN_MMAP`, "memory regions carry what Xen needs for mapping them"],
  [18, `${P}SHARED_OBJECT`, "dma-bufs are shared between back-ends by UUID"],
  [19, `${P}DEVICE_STATE`, "the device's internal state can be saved and loaded"],
  [20, `${P}GET_VRING_BASE_INFLIGHT`, "a stopped ring may leave tracked requests behind"],
  [21, `${P}GPA_ADDRESSES`, "messages carry guest addresses instead of user addresses"],
  [22, `${P}SHMEM`, "the back-end maps files into the device's shared memory", `${P}SHMEM_MAP`],
  [23, `${P}GET_VRING_BASE_SKIP_DRAIN`, "a ring can be stopped without waiting for its requests"],
];

const table = featureTable(rows);
const UNKNOWN = "not defined by the specification";

/** Returns the names of the set bits, lowest first; `bit 47` for an unknown one. */
export function protocolFeatureNames(bits: bigint): string[] {
  return explainProtocolFeatures(bits).map((feature) => feature.name);
}

/** Returns the set bits with a one-line explanation each. */
export function explainProtocolFeatures(bits: bigint): FeatureInfo[] {
  return explainBits(table, bits, UNKNOWN);
}

/**
 * Returns the mask for a name (with or without prefix, any case), a bit number or a hexadecimal
 * mask.
 *
 * @throws UsageError when the text is none of these
 */
export function parseProtocolFeature(text: string): bigint {
  return parseFeature(table, text, "protocol");
}
