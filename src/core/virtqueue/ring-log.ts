import { DirtyLog } from "../memory/index.ts";

/** What SET_VRING_ADDR says about logging a ring; structured-clonable. */
export interface RingLogSetting {
  /** VHOST_VRING_F_LOG */
  readonly on: boolean;
  /**
   * Guest address under which the first byte of a used ring is logged, which need not be an address
   * of memory; undefined if the ring's own address.
   */
  readonly address: number | undefined;
}

/**
 * Whether, and under which addresses, a device half notes what it writes into its ring. May change
 * while the ring runs.
 *
 * Of a packed ring the descriptors announce completions, and no field of SET_VRING_ADDR
 * says where they are logged: QEMU gives the address of the device event area, DPDK's back-end takes
 * it for that of the descriptors. So a packed ring is logged at its own address.
 */
export class RingLog {
  setting: RingLogSetting = { on: false, address: undefined };
  readonly #log: DirtyLog;

  constructor(log: DirtyLog) {
    this.#log = log;
  }

  get active(): boolean {
    return this.setting.on && this.#log.mapped;
  }

  /**
   * After `[address, address + length)` was written.
   *
   * @param address guest physical
   */
  mark(address: number, length: number): void {
    this.#log.mark(address, length);
  }
}

/** For rings whose memory no front-end logs. */
export const NO_RING_LOG = new RingLog(new DirtyLog());
