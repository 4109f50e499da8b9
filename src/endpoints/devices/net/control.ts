/**
 * The control queue of the network device (VIRTIO 5.1.6.5), and the configuration that goes with it.
 * A command is class, command and data for the device to read, and one byte of acknowledgement:
 *
 * | class | command | data |
 * | --- | --- | --- |
 * | 0 receive mode | 0 promiscuous, 1 all multicast; with CTRL_RX_EXTRA 2 all unicast, 3 no multicast, 4 no unicast, 5 no broadcast | u8, on or off |
 * | 1 MAC | 0 table: of unicast, then of multicast addresses | u32 count, 6 bytes each; twice |
 * | 1 MAC | 1 address | 6 bytes |
 * | 4 queue pairs | 0 set | u16 |
 */
import { NetFeature } from "./layout.ts";

export const ControlClass = { Receive: 0, Mac: 1, QueuePairs: 4 } as const;

/** Commands of {@link ControlClass.Receive}. */
export const ReceiveMode = {
  Promiscuous: 0,
  AllMulticast: 1,
  AllUnicast: 2,
  NoMulticast: 3,
  NoUnicast: 4,
  NoBroadcast: 5,
} as const;
export type ReceiveMode = (typeof ReceiveMode)[keyof typeof ReceiveMode];

/** Commands of {@link ControlClass.Mac}. */
export const MacCommand = { Table: 0, Address: 1 } as const;

export const ControlAck = { Ok: 0, Error: 1 } as const;

/** Features of a device with a control queue, and of a driver that uses it. */
export const NET_CONTROL_FEATURES: bigint =
  NetFeature.CtrlVq |
  NetFeature.CtrlRx |
  NetFeature.CtrlRxExtra |
  NetFeature.CtrlMacAddr |
  NetFeature.Mac |
  NetFeature.Status;

/** Bytes of the configuration: 0:6 mac, 6:2 status (1: link up), 8:2 max_virtqueue_pairs, 10:2 mtu. */
export const NET_CONFIG_BYTES = 12;
/** The control queue comes behind all pairs that there are, or behind the only one that is used. */
export function controlRing(pairs: number, features: bigint): number {
  return 2 * ((features & NetFeature.Mq) === 0n ? 1 : pairs);
}
