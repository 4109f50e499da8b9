import type { DeviceKind } from "../kind.ts";

/** The Bluetooth device. */
export const bluetoothKind: DeviceKind = {
  name: "bluetooth",
  id: 40,
  aliases: ["bt"],
  features: [
    [0, "VIRTIO_BT_F_VND_HCI", "vendor commands"],
    [1, "VIRTIO_BT_F_MSFT_EXT", "Microsoft's vendor extension"],
    [2, "VIRTIO_BT_F_AOSP_EXT", "Android's vendor extension"],
  ],
  queues: { once: ["txq", "rxq"] },
};
