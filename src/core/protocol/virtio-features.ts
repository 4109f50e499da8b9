import { explainBits, featureTable, parseFeature } from "./feature-table.ts";
import type { DeviceType, FeatureInfo, FeatureRow, FeatureTable } from "./feature-table.ts";

/**
 * Masks of the feature bits that mean the same for every device (VIRTIO 6; specification:
 * "Communication" for the two that vhost adds).
 */
export const VirtioFeature = {
  /** VIRTIO_F_NOTIFY_ON_EMPTY */
  NotifyOnEmpty: 1n << 24n,
  /** VHOST_F_LOG_ALL */
  LogAll: 1n << 26n,
  /** VIRTIO_F_ANY_LAYOUT */
  AnyLayout: 1n << 27n,
  /** VIRTIO_RING_F_INDIRECT_DESC */
  IndirectDesc: 1n << 28n,
  /** VIRTIO_RING_F_EVENT_IDX */
  EventIdx: 1n << 29n,
  /** VHOST_USER_F_PROTOCOL_FEATURES */
  ProtocolFeatures: 1n << 30n,
  /** VIRTIO_F_VERSION_1 */
  Version1: 1n << 32n,
  /** VIRTIO_F_ACCESS_PLATFORM, once VIRTIO_F_IOMMU_PLATFORM */
  AccessPlatform: 1n << 33n,
  /** VIRTIO_F_RING_PACKED */
  RingPacked: 1n << 34n,
  /** VIRTIO_F_IN_ORDER */
  InOrder: 1n << 35n,
  /** VIRTIO_F_ORDER_PLATFORM */
  OrderPlatform: 1n << 36n,
  /** VIRTIO_F_SR_IOV */
  SrIov: 1n << 37n,
  /** VIRTIO_F_NOTIFICATION_DATA */
  NotificationData: 1n << 38n,
  /** VIRTIO_F_NOTIF_CONFIG_DATA */
  NotifConfigData: 1n << 39n,
  /** VIRTIO_F_RING_RESET */
  RingReset: 1n << 40n,
  /** VIRTIO_F_ADMIN_VQ */
  AdminVq: 1n << 41n,
} as const;

const transport: readonly FeatureRow[] = [
  [24, "VIRTIO_F_NOTIFY_ON_EMPTY", "legacy: interrupt when the ring runs empty, even if unwanted"],
  [26, "VHOST_F_LOG_ALL", "writes to guest memory are logged, for migration"],
  [27, "VIRTIO_F_ANY_LAYOUT", "legacy: buffers may be cut into descriptors anywhere"],
  [28, "VIRTIO_RING_F_INDIRECT_DESC", "one descriptor may refer to a table of descriptors"],
  [29, "VIRTIO_RING_F_EVENT_IDX", "each side names the index at which it wants to be notified"],
  [30, "VHOST_USER_F_PROTOCOL_FEATURES", "protocol features can be negotiated; hidden from guests"],
  [32, "VIRTIO_F_VERSION_1", "virtio 1.0 or later: everything little-endian"],
  [
    33,
    "VIRTIO_F_ACCESS_PLATFORM",
    "addresses are I/O virtual ones and need translation",
    "VIRTIO_F_IOMMU_PLATFORM",
  ],
  [34, "VIRTIO_F_RING_PACKED", "rings have the packed layout"],
  [35, "VIRTIO_F_IN_ORDER", "buffers are used in the order in which they were made available"],
  [36, "VIRTIO_F_ORDER_PLATFORM", "memory accesses are ordered as the platform orders hardware"],
  [37, "VIRTIO_F_SR_IOV", "the device can be split into virtual functions"],
  [38, "VIRTIO_F_NOTIFICATION_DATA", "a kick says how far the driver has got"],
  [39, "VIRTIO_F_NOTIF_CONFIG_DATA", "a kick carries a value that the device chose"],
  [40, "VIRTIO_F_RING_RESET", "single queues can be reset"],
  [41, "VIRTIO_F_ADMIN_VQ", "there is a queue for administration commands"],
  [43, "VIRTIO_F_SUSPEND", "draft: the driver may suspend the device"],
];

const bare = featureTable(transport);
const byType = new WeakMap<DeviceType, FeatureTable>();

function tableFor(type: DeviceType | undefined): FeatureTable {
  if (type === undefined) return bare;
  const known = byType.get(type);
  if (known !== undefined) return known;
  const table = featureTable(transport, type.features);
  byType.set(type, table);
  return table;
}

/**
 * Returns the names of the set bits, lowest first; `bit 47` for a bit that the type does not define.
 *
 * @param type gives the bits of a device type their names
 */
export function virtioFeatureNames(bits: bigint, type?: DeviceType): string[] {
  return explainVirtioFeatures(bits, type).map((feature) => feature.name);
}

/** Returns the set bits, lowest first, each with an explanation of one line. */
export function explainVirtioFeatures(bits: bigint, type?: DeviceType): FeatureInfo[] {
  const unknown = type === undefined ? "depends on the device type" : `unknown for ${type.name}`;
  return explainBits(tableFor(type), bits, unknown);
}

/**
 * Returns the mask for a name (`VIRTIO_BLK_F_FLUSH`, `event-idx`), a bit number or a hexadecimal mask.
 *
 * @param type gives the bits of a device type their names
 * @throws {UsageError} the text is none of these
 */
export function parseVirtioFeature(text: string, type?: DeviceType): bigint {
  return parseFeature(tableFor(type), text, type ? `virtio ${type.name}` : "virtio");
}
