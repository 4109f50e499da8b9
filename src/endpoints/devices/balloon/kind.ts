import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

/** The memory balloon device (VIRTIO 5.5). */
export const balloonKind: DeviceKind = {
  name: "balloon",
  id: 5,
  features: [
    [
      0,
      "VIRTIO_BALLOON_F_MUST_TELL_HOST",
      "the driver reports that it takes pages back before it uses them",
    ],
    [1, "VIRTIO_BALLOON_F_STATS_VQ", "there is a queue for memory statistics"],
    [2, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM", "the driver may deflate when memory runs out"],
    [3, "VIRTIO_BALLOON_F_FREE_PAGE_HINT", "the driver hints at free pages"],
    [4, "VIRTIO_BALLOON_F_PAGE_POISON", "free pages hold a known pattern"],
    [
      5,
      "VIRTIO_BALLOON_F_PAGE_REPORTING",
      "the driver reports free pages",
      "VIRTIO_BALLOON_F_REPORTING",
    ],
  ],
  config: {
    sizes: [16, 8],
    fields: {
      numPages: configField.u32(0),
      actual: configField.u32(4),
      freePageHintCommandId: configField.u32(8),
      poisonValue: configField.u32(12),
    },
  },
  queues: { once: ["inflateq", "deflateq", "statsq", "free_page_vq", "reporting_vq"] },
  chains: {
    inflateq: { request: [{ name: "firstPage", at: 0, bytes: 4, hex: true }] },
    deflateq: { request: [{ name: "firstPage", at: 0, bytes: 4, hex: true }] },
  },
};
