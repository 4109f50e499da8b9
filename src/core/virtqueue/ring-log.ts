import { DirtyLog } from "../memory/index.ts";

/** The settings of SET_VRING_ADDR for logging a ring; structured-clonable. */
export interface RingLogSetting {
  /** VHOST_VRING_F_LOG */
  readonly on: boolean;
  /**
   * Guest address under which the first byte of a used ring is logged; it need not be an address of
   * memory. Undefined selects the ring's own address.
   */
  readonly address: number | undefined;
}

/**
 * Logs the writes of a device half to its ring. Whether it does, and under which addresses, may
 * change while the ring runs.
 *
 * The descriptors of a packed ring announce completions, but no field of SET_VRING_ADDR has their
 * log address: QEMU sends the address of the device event area, and DPDK's back-end takes it for
 * that of the descriptors. So a packed ring is logged at its own address.
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
   * Logs `[address, address + length)`, after it was written.
   *
   * @param address guest physical
   */
  mark(address: number, length: number): void {
    this.#log.mark(address, length);
  }
}

/** The log of rings whose memory no front-end logs. */
export const NO_RING_LOG = new RingLog(new DirtyLog());
