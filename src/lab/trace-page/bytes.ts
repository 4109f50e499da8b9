const FIRST_SIZE = 1 << 16;

/** Collects numbers of variable length: seven bits a byte, the lowest first. */
export class NumberWriter {
  #bytes = new Uint8Array(FIRST_SIZE);
  #length = 0;

  /** Appends an integer from 0 up to 2^53 - 1. */
  unsigned(value: number): void {
    // The longest number has eight bytes.
    if (this.#length + 8 > this.#bytes.length) this.#grow();
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Appends an integer of either sign, up to 2^52: small ones have few bytes. */
  signed(value: number): void {
    this.unsigned(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** Returns the bytes so far, and starts over. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  #grow(): void {
    const larger = new Uint8Array(2 * this.#bytes.length);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
