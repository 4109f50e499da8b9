import { configField, type ConfigLayout, type Field } from "../../../core/protocol/index.ts";

/** The configuration space of the network device, VIRTIO 5.1.4. */
export interface NetConfigSpace {
  /** The device's address, e.g. `52:54:00:00:00:01`. */
  readonly mac: string;
  /** Bit 0: the link is up. */
  readonly status: number;
  readonly maxVirtqueuePairs: number;
  readonly mtu: number;
  /** Mbit/s. */
  readonly speed: number;
  /** 1: full duplex. */
  readonly duplex: number;
}

const mac: Field<string> = {
  offset: 0,
  size: 6,
  read: (view, base) =>
    Array.from({ length: 6 }, (_, i) =>
      view
        .getUint8(base + i)
        .toString(16)
        .padStart(2, "0"),
    ).join(":"),
  write: (view, base, value) =>
    value.split(":").forEach((byte, i) => view.setUint8(base + i, Number.parseInt(byte, 16))),
  format: (value) => value,
};

/** The sizes of the space are those with RSS, with duplex, with MTU, with pairs, and so on. */
export const netConfigLayout: ConfigLayout<NetConfigSpace> = {
  sizes: [24, 17, 12, 10, 8, 6],
  fields: {
    mac,
    status: configField.u16(6),
    maxVirtqueuePairs: configField.u16(8),
    mtu: configField.u16(10),
    speed: configField.u32(12),
    duplex: configField.u8(16),
  },
};
