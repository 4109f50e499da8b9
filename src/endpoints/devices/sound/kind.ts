import { type ChainLayout, configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const CODES = {
  1: "JACK_INFO",
  2: "JACK_REMAP",
  0x100: "PCM_INFO",
  0x101: "PCM_SET_PARAMS",
  0x102: "PCM_PREPARE",
  0x103: "PCM_RELEASE",
  0x104: "PCM_START",
  0x105: "PCM_STOP",
  0x200: "CHMAP_INFO",
  0x300: "CTL_INFO",
  0x301: "CTL_ENUM_ITEMS",
  0x302: "CTL_READ",
  0x303: "CTL_WRITE",
  0x1000: "JACK_CONNECTED",
  0x1001: "JACK_DISCONNECTED",
  0x1100: "PCM_PERIOD_ELAPSED",
  0x1101: "PCM_XRUN",
};
const STATUS = { 0x8000: "OK", 0x8001: "BAD_MSG", 0x8002: "NOT_SUPP", 0x8003: "IO_ERR" };
const OK = { field: "status", ok: [0x8000] } as const;
const TRANSFER: ChainLayout = {
  request: [{ name: "stream", at: 0, bytes: 4 }],
  reply: [
    { name: "status", at: -8, bytes: 4, names: STATUS, hex: true },
    { name: "latencyBytes", at: -4, bytes: 4 },
  ],
  status: OK,
};

/** The sound device (VIRTIO 5.14). */
export const soundKind: DeviceKind = {
  name: "sound",
  id: 25,
  aliases: ["snd"],
  features: [[0, "VIRTIO_SND_F_CTLS", "the device has control elements"]],
  config: {
    sizes: [16, 12],
    fields: {
      jacks: configField.u32(0),
      streams: configField.u32(4),
      channelMaps: configField.u32(8),
      controls: configField.u32(12),
    },
  },
  queues: { once: ["controlq", "eventq", "txq", "rxq"] },
  chains: {
    controlq: {
      request: [{ name: "code", at: 0, bytes: 4, names: CODES, hex: true }],
      reply: [{ name: "status", at: 0, bytes: 4, names: STATUS, hex: true }],
      status: OK,
    },
    eventq: { reply: [{ name: "event", at: 0, bytes: 4, names: CODES, hex: true }] },
    txq: TRANSFER,
    rxq: TRANSFER,
  },
};
