import { type ChainCursor, copyOut } from "../../../../core/virtqueue/index.ts";
import { Errno } from "../errno.ts";
import {
  FUSE_NAME_MAX,
  replyHeader,
  requestHeader,
  type RequestHeader,
  SHORT_INIT_REQUEST,
} from "../layout.ts";
import { FuseOpcode, SWAPPED_INIT } from "../opcodes.ts";
import { type Struct, viewOf } from "../wire.ts";

/** Bytes of the header and of the longest arguments that are read: a name with its NUL. */
const REQUEST_BYTES = requestHeader.size + FUSE_NAME_MAX + 1;

/** The request of one chain; reused. Its bytes were read once and do not change any more. */
export class FuseRequest {
  readonly #bytes = new Uint8Array(REQUEST_BYTES);
  readonly #view = viewOf(this.#bytes);
  /** Byte order of the session. */
  little = true;
  header: RequestHeader = requestHeader.read(this.#view, 0, true);

  /** Reads what the driver sent. Returns false if the header is not complete. */
  take(chain: ChainCursor): boolean {
    const { readableBytes } = chain;
    if (readableBytes < requestHeader.size) return false;
    copyOut(chain, 0, this.#bytes, Math.min(readableBytes, REQUEST_BYTES));
    // INIT determines the byte order, also for a driver that replaces one of another order (VIRTIO 5.11.5).
    const opcode = this.#view.getUint32(4, true);
    if (opcode === FuseOpcode.Init) this.little = true;
    else if (opcode === SWAPPED_INIT) this.little = false;
    this.header = requestHeader.read(this.#view, 0, this.little);
    return true;
  }

  /** Bytes behind the header. */
  get argsLength(): number {
    return this.header.len - requestHeader.size;
  }

  /** The node id. An id that is too large becomes one that was never assigned. */
  get node(): number {
    return Number(this.header.nodeid);
  }

  /** The arguments; the caller has checked that the request is that long. */
  args<T>(layout: Struct<T>): T {
    return layout.read(this.#view, requestHeader.size, this.little);
  }

  /** Decodes the arguments of INIT. Fields that a driver before 7.36 does not send are 0. */
  initArgs<T>(layout: Struct<T>): T {
    if (this.argsLength < layout.size) {
      this.#bytes.fill(
        0,
        requestHeader.size + SHORT_INIT_REQUEST,
        requestHeader.size + layout.size,
      );
    }
    return this.args(layout);
  }

  /** The arguments as a name, without its NUL; `-errno` where that is not what they are. */
  get name(): Uint8Array | number {
    const length = this.argsLength - 1;
    if (length > FUSE_NAME_MAX) return -Errno.ENAMETOOLONG;
    const start = requestHeader.size;
    if (this.#bytes[start + length] !== 0) return -Errno.EINVAL;
    return this.#bytes.subarray(start, start + length);
  }
}

/**
 * Largest reply that is built in this buffer; file data is read directly into the driver's memory.
 */
const REPLY_BYTES = replyHeader.size + 65_536;

/** The reply to one request; reused. */
export class FuseReply {
  readonly bytes = new Uint8Array(REPLY_BYTES);
  /** Behind the header. */
  readonly body = this.bytes.subarray(replyHeader.size);
  readonly #view = viewOf(this.bytes);
  little = true;

  /** Writes a structure behind the header; its size. */
  put<T>(layout: Struct<T>, value: T): number {
    this.putAt(0, layout, value);
    return layout.size;
  }

  /** … `at` bytes behind the header. */
  putAt<T>(at: number, layout: Struct<T>, value: T): void {
    layout.write(this.#view, replyHeader.size + at, value, this.little);
  }

  /** @param error 0, or `-errno` */
  putHeader(unique: bigint, error: number, bodyLength: number): void {
    const len = replyHeader.size + bodyLength;
    replyHeader.write(this.#view, 0, { len, error, unique }, this.little);
  }
}
