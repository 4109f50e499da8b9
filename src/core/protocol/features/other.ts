import type { FeatureRow } from "../feature-table.ts";

export const consoleFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_CONSOLE_F_SIZE", "the console's size is told"],
  [1, "VIRTIO_CONSOLE_F_MULTIPORT", "several ports and a control queue"],
  [2, "VIRTIO_CONSOLE_F_EMERG_WRITE", "output without queues, by the configuration space"],
];

export const balloonFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_BALLOON_F_MUST_TELL_HOST", "the driver tells before it takes pages back"],
  [1, "VIRTIO_BALLOON_F_STATS_VQ", "there is a queue for memory statistics"],
  [2, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM", "the driver may deflate when memory runs out"],
  [3, "VIRTIO_BALLOON_F_FREE_PAGE_HINT", "the driver hints at free pages"],
  [4, "VIRTIO_BALLOON_F_PAGE_POISON", "free pages hold a known pattern"],
  [5, "VIRTIO_BALLOON_F_REPORTING", "the driver reports free pages"],
];

export const gpuFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_GPU_F_VIRGL", "3D commands"],
  [1, "VIRTIO_GPU_F_EDID", "displays describe themselves"],
  [2, "VIRTIO_GPU_F_RESOURCE_UUID", "resources can be exported by UUID"],
  [3, "VIRTIO_GPU_F_RESOURCE_BLOB", "resources can be plain memory"],
  [4, "VIRTIO_GPU_F_CONTEXT_INIT", "contexts have types and timelines"],
];

export const vsockFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_VSOCK_F_STREAM", "stream sockets"],
  [1, "VIRTIO_VSOCK_F_SEQPACKET", "sockets that keep message boundaries"],
  [2, "VIRTIO_VSOCK_F_NO_IMPLIED_STREAM", "stream sockets exist only if offered"],
];

export const cryptoFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_CRYPTO_F_REVISION_1", "the second revision of the request formats"],
  [1, "VIRTIO_CRYPTO_F_CIPHER_STATELESS_MODE", "ciphers without a session"],
  [2, "VIRTIO_CRYPTO_F_HASH_STATELESS_MODE", "hashes without a session"],
  [3, "VIRTIO_CRYPTO_F_MAC_STATELESS_MODE", "message authentication without a session"],
  [4, "VIRTIO_CRYPTO_F_AEAD_STATELESS_MODE", "authenticated encryption without a session"],
  [5, "VIRTIO_CRYPTO_F_AKCIPHER_STATELESS_MODE", "asymmetric ciphers without a session"],
];

export const soundFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_SND_F_CTLS", "the device has control elements"],
];

export const scmiFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_SCMI_F_P2A_CHANNELS", "the platform may send notifications"],
  [1, "VIRTIO_SCMI_F_SHARED_MEMORY", "statistics are in shared memory"],
];

export const i2cFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_I2C_F_ZERO_LENGTH_REQUEST", "transfers without data; mandatory"],
];

export const gpioFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_GPIO_F_IRQ", "lines can raise interrupts"],
];

export const rtcFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_RTC_F_ALARM", "clocks can raise alarms"],
];

export const iommuFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_IOMMU_F_INPUT_RANGE", "the range of addresses is told"],
  [1, "VIRTIO_IOMMU_F_DOMAIN_RANGE", "the range of domains is told"],
  [2, "VIRTIO_IOMMU_F_MAP_UNMAP", "mappings can be made and removed"],
  [3, "VIRTIO_IOMMU_F_BYPASS", "endpoints without a domain bypass translation"],
  [4, "VIRTIO_IOMMU_F_PROBE", "endpoints can be asked for properties"],
  [5, "VIRTIO_IOMMU_F_MMIO", "mappings of device memory can be marked"],
  [6, "VIRTIO_IOMMU_F_BYPASS_CONFIG", "bypass can be switched"],
];

export const memFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_MEM_F_ACPI_PXM", "the NUMA node is told"],
  [1, "VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE", "unplugged memory must not be touched"],
];

export const bluetoothFeatures: readonly FeatureRow[] = [
  [0, "VIRTIO_BT_F_VND_HCI", "vendor commands"],
  [1, "VIRTIO_BT_F_MSFT_EXT", "Microsoft's vendor extension"],
  [2, "VIRTIO_BT_F_AOSP_EXT", "Android's vendor extension"],
];
