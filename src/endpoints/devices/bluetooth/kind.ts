import type { DeviceKind } from "../kind.ts";

const PACKETS = { 1: "command", 2: "ACL data", 3: "SCO data", 4: "event", 5: "ISO data" };

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
  chains: {
    txq: { request: [{ name: "packet", at: 0, bytes: 1, names: PACKETS }] },
    rxq: { reply: [{ name: "packet", at: 0, bytes: 1, names: PACKETS }] },
  },
};
