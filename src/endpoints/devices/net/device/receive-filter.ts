import { ReceiveMode } from "../control.ts";

/**
 * Limit on addresses in a table; with a longer list all frames of its kind pass, as the
 * specification allows.
 */
const MAX_ADDRESSES = 64;
const MODES = 6;

/**
 * The receive filter of a driver (VIRTIO 5.1.6.5.1 and 5.1.6.5.2): all frames pass until the driver
 * sets it. Broadcast, multicast and unicast destinations have rules of their own.
 */
export class ReceiveFilter {
  readonly #initial: Uint8Array;
  readonly #mac = new Uint8Array(6);
  readonly #modes = new Uint8Array(MODES);
  #unicast: readonly Uint8Array[] = [];
  #multicast: readonly Uint8Array[] = [];

  /** @param mac the device's own address at first */
  constructor(mac: Uint8Array) {
    this.#initial = mac.slice();
    this.reset();
  }

  /** 6 bytes. */
  get mac(): Uint8Array {
    return this.#mac;
  }

  set mac(mac: Uint8Array) {
    this.#mac.set(mac);
  }

  reset(): void {
    this.#mac.set(this.#initial);
    this.#modes.fill(0);
    this.#modes[ReceiveMode.Promiscuous] = 1;
    this.setTables([], []);
  }

  /**
   * Sets a receive mode.
   *
   * @returns false: there is no such mode
   */
  setMode(mode: number, on: boolean): boolean {
    if (mode >= MODES) return false;
    this.#modes[mode] = on ? 1 : 0;
    return true;
  }

  setTables(unicast: readonly Uint8Array[], multicast: readonly Uint8Array[]): void {
    this.#unicast = unicast;
    this.#multicast = multicast;
  }

  /** Returns own address, modes, unicast and multicast addresses as lists of bytes. */
  save(): readonly (readonly number[])[] {
    const tables = [this.#unicast, this.#multicast].map((list) => list.flatMap((mac) => [...mac]));
    return [[...this.#mac], [...this.#modes], ...tables];
  }

  /**
   * Restores what {@link save} returned.
   *
   * @returns false: the state has another form
   */
  load(state: unknown): boolean {
    const isByte = (value: unknown): boolean => Number.isInteger(value) && Number(value) >> 8 === 0;
    const isBytes = (list: unknown): boolean => Array.isArray(list) && list.every(isByte);
    if (!Array.isArray(state) || state.length !== 4 || !state.every(isBytes)) return false;
    const [mac = [], modes = [], ...tables] = state as number[][];
    if (mac.length !== 6 || modes.length !== MODES) return false;
    if (tables.some(({ length }) => length % 6 !== 0)) return false;
    this.#mac.set(mac);
    this.#modes.set(modes);
    const [unicast = [], multicast = []] = tables.map(splitAddresses);
    this.setTables(unicast, multicast);
    return true;
  }

  /** @param frame from its destination address on */
  accepts(frame: Uint8Array): boolean {
    const modes = this.#modes;
    if (modes[ReceiveMode.Promiscuous] === 1 || frame.length < 6) return true;
    if (frame.subarray(0, 6).every((byte) => byte === 0xff))
      return modes[ReceiveMode.NoBroadcast] === 0;
    if (((frame[0] ?? 0) & 1) !== 0) {
      if (modes[ReceiveMode.NoMulticast] === 1) return false;
      return modes[ReceiveMode.AllMulticast] === 1 || isListed(frame, this.#multicast);
    }
    if (modes[ReceiveMode.NoUnicast] === 1) return false;
    if (modes[ReceiveMode.AllUnicast] === 1 || isSame(frame, this.#mac)) return true;
    return isListed(frame, this.#unicast);
  }
}

function splitAddresses(bytes: readonly number[]): Uint8Array[] {
  return Array.from({ length: bytes.length / 6 }, (_, i) =>
    Uint8Array.from(bytes.slice(6 * i, 6 * i + 6)),
  );
}

function isListed(frame: Uint8Array, list: readonly Uint8Array[]): boolean {
  return list.length > MAX_ADDRESSES || list.some((address) => isSame(frame, address));
}

function isSame(frame: Uint8Array, address: Uint8Array): boolean {
  return address.every((byte, i) => byte === frame[i]);
}
