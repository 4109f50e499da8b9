import { type ChainLayout, configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const COMMANDS = {
  0x100: "GET_DISPLAY_INFO",
  0x101: "RESOURCE_CREATE_2D",
  0x102: "RESOURCE_UNREF",
  0x103: "SET_SCANOUT",
  0x104: "RESOURCE_FLUSH",
  0x105: "TRANSFER_TO_HOST_2D",
  0x106: "RESOURCE_ATTACH_BACKING",
  0x107: "RESOURCE_DETACH_BACKING",
  0x108: "GET_CAPSET_INFO",
  0x109: "GET_CAPSET",
  0x10a: "GET_EDID",
  0x10b: "RESOURCE_ASSIGN_UUID",
  0x10c: "RESOURCE_CREATE_BLOB",
  0x10d: "SET_SCANOUT_BLOB",
  0x300: "UPDATE_CURSOR",
  0x301: "MOVE_CURSOR",
};
const RESPONSES = {
  0x1100: "OK",
  0x1101: "OK display info",
  0x1102: "OK capset info",
  0x1103: "OK capset",
  0x1104: "OK EDID",
  0x1105: "OK UUID",
  0x1106: "OK map info",
  0x1200: "ERR_UNSPEC",
  0x1201: "ERR_OUT_OF_MEMORY",
  0x1202: "ERR_INVALID_SCANOUT_ID",
  0x1203: "ERR_INVALID_RESOURCE_ID",
  0x1204: "ERR_INVALID_CONTEXT_ID",
  0x1205: "ERR_INVALID_PARAMETER",
};
const COMMAND_CHAIN: ChainLayout = {
  request: [{ name: "command", at: 0, bytes: 4, names: COMMANDS, hex: true }],
  reply: [{ name: "response", at: 0, bytes: 4, names: RESPONSES, hex: true }],
  status: { field: "response", ok: [0x1100, 0x1101, 0x1102, 0x1103, 0x1104, 0x1105, 0x1106] },
};

/** The GPU device (VIRTIO 5.7). */
export const gpuKind: DeviceKind = {
  name: "gpu",
  id: 16,
  features: [
    [0, "VIRTIO_GPU_F_VIRGL", "3D commands"],
    [1, "VIRTIO_GPU_F_EDID", "displays describe themselves"],
    [2, "VIRTIO_GPU_F_RESOURCE_UUID", "resources can be exported by UUID"],
    [3, "VIRTIO_GPU_F_RESOURCE_BLOB", "resources can be plain memory"],
    [4, "VIRTIO_GPU_F_CONTEXT_INIT", "contexts have types and timelines"],
  ],
  config: {
    sizes: [16],
    fields: {
      eventsRead: configField.u32(0),
      eventsClear: configField.u32(4),
      numScanouts: configField.u32(8),
      numCapsets: configField.u32(12),
    },
  },
  queues: { once: ["controlq", "cursorq"] },
  chains: { controlq: COMMAND_CHAIN, cursorq: { request: COMMAND_CHAIN.request } },
};
