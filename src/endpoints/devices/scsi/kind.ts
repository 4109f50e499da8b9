import { configField } from "../../../core/protocol/index.ts";
import type { DeviceKind } from "../kind.ts";

const SCSI_COMMANDS = {
  0x00: "TEST UNIT READY",
  0x03: "REQUEST SENSE",
  0x12: "INQUIRY",
  0x1a: "MODE SENSE(6)",
  0x1b: "START STOP UNIT",
  0x25: "READ CAPACITY(10)",
  0x28: "READ(10)",
  0x2a: "WRITE(10)",
  0x35: "SYNCHRONIZE CACHE(10)",
  0x42: "UNMAP",
  0x5a: "MODE SENSE(10)",
  0x88: "READ(16)",
  0x8a: "WRITE(16)",
  0x93: "WRITE SAME(16)",
  0x9e: "SERVICE ACTION IN(16)",
  0xa0: "REPORT LUNS",
};

/** The SCSI host device (VIRTIO 5.6). */
export const scsiKind: DeviceKind = {
  name: "scsi",
  id: 8,
  features: [
    [0, "VIRTIO_SCSI_F_INOUT", "a request may carry data in both directions"],
    [1, "VIRTIO_SCSI_F_HOTPLUG", "targets and units may come and go"],
    [2, "VIRTIO_SCSI_F_CHANGE", "changes of a unit's parameters are reported"],
    [3, "VIRTIO_SCSI_F_T10_PI", "requests may carry protection information"],
  ],
  config: {
    sizes: [36],
    fields: {
      numQueues: configField.u32(0),
      segMax: configField.u32(4),
      maxSectors: configField.u32(8),
      commandsPerUnit: configField.u32(12),
      eventInfoSize: configField.u32(16),
      senseSize: configField.u32(20),
      commandSize: configField.u32(24),
      maxChannel: configField.u16(28),
      maxTarget: configField.u16(30),
      maxUnit: configField.u32(32),
    },
  },
  queues: { once: ["controlq", "eventq"], repeated: ["requestq"] },
  queuePerProcessor: true,
  chains: {
    controlq: {
      request: [
        {
          name: "type",
          at: 0,
          bytes: 4,
          names: { 0: "TMF", 1: "AN_QUERY", 2: "AN_SUBSCRIBE" },
        },
        { name: "subtype", at: 4, bytes: 4 },
      ],
      reply: [{ name: "response", at: -1, bytes: 1 }],
    },
    eventq: { reply: [{ name: "event", at: 0, bytes: 4, hex: true }] },
    requestq: {
      request: [
        { name: "command", at: 19, bytes: 1, names: SCSI_COMMANDS, hex: true },
        { name: "target", at: 1, bytes: 1 },
        { name: "tag", at: 8, bytes: 8 },
      ],
      reply: [
        {
          name: "response",
          at: 11,
          bytes: 1,
          names: { 0: "OK", 1: "OVERRUN", 2: "ABORTED", 3: "BAD_TARGET", 5: "BUSY", 9: "FAILURE" },
        },
        {
          name: "status",
          at: 10,
          bytes: 1,
          names: { 0: "GOOD", 2: "CHECK CONDITION", 8: "BUSY" },
        },
      ],
      status: { field: "response", ok: [0] },
    },
  },
};
