import { counted, ProtocolError } from "../base/index.ts";
import type { OwnedFd } from "../os/index.ts";
import { decodeHeader, encodeHeader, type Header, HEADER_SIZE } from "../protocol/header.ts";
import type { Frame } from "./channel.ts";

/** Reads up to `length` bytes and appends descriptors: the shape of `UnixSocket.receive`. */
export type Receive = (
  target: Uint8Array,
  offset: number,
  length: number,
  descriptors: OwnedFd[],
) => number;

/** The result of one attempt to read a message. */
export type FramerResult = Frame | "wait" | "end";

/**
 * Assembles messages from a stream. One read never covers bytes of two messages, so descriptors
 * belong to the message that they arrive with.
 */
export class Framer {
  readonly #maxPayload: number;
  #buffer = new Uint8Array(HEADER_SIZE + 512);
  #have = 0;
  #header: Header | undefined;
  #fds: OwnedFd[] = [];

  /** @param maxPayload bytes; a message that announces more is refused before it is read */
  constructor(maxPayload: number) {
    this.#maxPayload = maxPayload;
  }

  /** Number of bytes of an unfinished message. */
  get pending(): number {
    return this.#have;
  }

  /**
   * Reads until a message is complete, no more bytes are there, or the stream ended.
   *
   * @throws {ProtocolError} the stream cannot be followed any more: too large a message, or
   *   descriptors in the middle of one; they are closed
   * @throws {SystemError} from `receive`
   */
  read(receive: Receive): FramerResult {
    for (;;) {
      const goal = HEADER_SIZE + (this.#header?.size ?? 0);
      if (this.#have === goal && this.#header !== undefined) return this.#finish(this.#header);
      const before = this.#fds.length;
      const count = receive(this.#buffer, this.#have, goal - this.#have, this.#fds);
      if (this.#have > 0 && this.#fds.length > before) {
        throw new ProtocolError(
          `expected descriptors with the first byte of a message, got ${this.#fds.length - before} ` +
            `after byte ${this.#have}`,
          { field: "descriptors" },
        );
      }
      if (count < 0) return "wait";
      if (count === 0) return "end";
      this.#have += count;
      if (this.#have === HEADER_SIZE && this.#header === undefined) this.#readHeader();
    }
  }

  /** Closes the descriptors of an unfinished message. */
  close(): void {
    for (const fd of this.#fds) fd.close();
    this.#fds = [];
  }

  #readHeader(): void {
    const header = decodeHeader(this.#buffer);
    if (header.size > this.#maxPayload) {
      throw new ProtocolError(
        `expected a payload of at most ${counted(this.#maxPayload, "byte")}, the header announces ${header.size} ` +
          `(request ${header.request}, flags 0x${header.flags.toString(16)})`,
        { field: "size", expected: `<= ${this.#maxPayload}`, actual: String(header.size) },
      );
    }
    this.#header = header;
    if (HEADER_SIZE + header.size > this.#buffer.length) {
      this.#buffer = new Uint8Array(HEADER_SIZE + header.size);
    }
  }

  #finish(header: Header): Frame {
    const frame: Frame = {
      header,
      payload: this.#buffer.slice(HEADER_SIZE, this.#have),
      fds: this.#fds,
    };
    this.#have = 0;
    this.#header = undefined;
    this.#fds = [];
    return frame;
  }
}

/** Returns the bytes of a frame. */
export function frameBytes({ header, payload }: Frame): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  encodeHeader(header, bytes);
  bytes.set(payload, HEADER_SIZE);
  return bytes;
}
