import { Mapping, SharedMemory } from "../../../core/os/index.ts";

/** Most bytes of one `fallocate(2)`: discards of any size are carried out in steps. */
export const FALLOCATE_STEP = 64 << 20;
/** Most bytes of one write of zeroes. */
export const ZERO_STEP = 1 << 20;

/** Memory of {@link ZERO_STEP} zeroes at an address that direct I/O can use. Never written. */
export class Zeroes {
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly #mapping: Mapping;

  /** @throws {SystemError} e.g. `EMFILE`, `ENOMEM` */
  constructor() {
    const memory = SharedMemory.create("vhost-user-zeroes", ZERO_STEP);
    try {
      this.#mapping = Mapping.map(memory.fd.fd, { offset: 0, length: ZERO_STEP, writable: true });
    } finally {
      memory.close();
    }
    this.bytes = this.#mapping.bytes;
    this.address = Number(this.#mapping.address);
  }

  close(): void {
    this.#mapping.unmap();
  }
}
