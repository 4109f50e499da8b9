import { fstatSync } from "node:fs";
import { counted, MemoryAccessError } from "../base/index.ts";
import { brokenMappings, Mapping, type OwnedFd, SharedMemory } from "../os/index.ts";
import type { Inflight } from "../protocol/index.ts";
import { type MemoryView, Window, WINDOW_SIZE } from "./window.ts";

const PAGE_SIZE = 4096;
/** Every queue's part of the region is a multiple of this, bytes. */
const STRIDE = 64;

/** The part of the region in which one queue records its requests in flight. */
export interface InflightArea {
  readonly view: MemoryView;
  /** Requests or descriptors that it has room for: the queue size that the region was made for. */
  readonly entries: number;
  /** True if a peer truncated the file. The check is cheap: make it once per batch. */
  readonly broken: boolean;
}

/**
 * The region as another thread needs it to map it: structured-clonable, with a borrowed descriptor.
 */
export interface InflightHandle {
  readonly fd: number;
  readonly description: Inflight;
}

/** Returns the bytes of one queue's part: a header and an entry for each place in the ring. */
export function inflightQueueBytes(packed: boolean, queueSize: number): number {
  const bytes = packed ? 32 + 32 * queueSize : 16 + 16 * queueSize;
  return Math.ceil(bytes / STRIDE) * STRIDE;
}

/**
 * The memory in which a back-end records its requests in flight, so that the next back-end can
 * resubmit them after a crash (specification: "Inflight I/O tracking"). It outlives back-ends: the
 * front-end keeps it. Its contents are untrusted.
 */
export class InflightRegion {
  readonly description: Inflight;
  readonly #fd: OwnedFd;
  readonly #borrowed: boolean;
  readonly #window: Window;
  /** Byte offset of the region in the window. */
  readonly #head: number;
  #broken = false;
  #breaks = -1;

  /**
   * @param fd taken over: closed with the region, and also when this throws
   * @param packed the format of the rings
   * @param borrowed the descriptor has another owner: it is never closed here
   * @throws {MemoryAccessError} the numbers make no region, or the file does not cover it or cannot
   * be mapped for reading and writing
   */
  constructor(description: Inflight, fd: OwnedFd, packed: boolean, borrowed = false) {
    this.description = description;
    this.#fd = fd;
    this.#borrowed = borrowed;
    try {
      const alignment = checkRegion(description, fd.fd, packed);
      const offset = Number(description.mmapOffset);
      this.#head = offset % alignment;
      const length = this.#head + neededBytes(description, packed);
      this.#window = new Window(
        Mapping.map(fd.fd, {
          offset: offset - this.#head,
          length: Math.ceil(length / alignment) * alignment,
          writable: true,
        }),
      );
    } catch (cause) {
      if (!borrowed) fd.close();
      if (cause instanceof MemoryAccessError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw refused(`it cannot be mapped for reading and writing: ${reason}`);
    }
  }

  /**
   * Creates a region and its description. It is zeroed: nothing is in flight, and no queue has
   * begun.
   */
  static create(
    numQueues: number,
    queueSize: number,
    packed: boolean,
  ): { description: Inflight; fd: OwnedFd } {
    const bytes = numQueues * inflightQueueBytes(packed, queueSize);
    const description = { mmapSize: BigInt(bytes), mmapOffset: 0n, numQueues, queueSize };
    return { description, fd: SharedMemory.create("vhost-user-inflight", bytes).fd };
  }

  /**
   * Returns the part of one queue; undefined if the region was made for fewer queues.
   *
   * @throws {MemoryAccessError} the region was made for rings of the other format
   */
  area(index: number, packed: boolean): InflightArea | undefined {
    const { numQueues, queueSize } = this.description;
    if (index >= numQueues) return undefined;
    const length = inflightQueueBytes(packed, queueSize);
    const offset = this.#head + index * length;
    if (offset + length > this.#window.bytes.length) {
      throw refused(
        "it was handed over before the format of the rings changed; hand it over again",
      );
    }
    const isBroken = (): boolean => this.broken;
    return {
      view: { window: this.#window, offset, length },
      entries: queueSize,
      get broken() {
        return isBroken();
      },
    };
  }

  /**
   * Returns whether a peer truncated the file. It checks the mapping only after one of this process
   * broke.
   */
  get broken(): boolean {
    const breaks = brokenMappings();
    if (breaks !== this.#breaks) {
      this.#breaks = breaks;
      this.#broken = this.#window.mapping.broken;
    }
    return this.#broken;
  }

  /** The descriptor to send. The region keeps it. */
  get fd(): OwnedFd {
    return this.#fd;
  }

  /** Returns a handle for another thread of this process. */
  get handle(): InflightHandle {
    return { fd: this.#fd.fd, description: this.description };
  }

  /** Unmaps and closes. Areas must no longer be used. Idempotent. */
  close(): void {
    this.#window.mapping.unmap();
    if (!this.#borrowed) this.#fd.close();
  }
}

function neededBytes({ numQueues, queueSize }: Inflight, packed: boolean): number {
  return numQueues * inflightQueueBytes(packed, queueSize);
}

/** Returns the alignment (bytes) that mappings of the file need. */
function checkRegion(description: Inflight, fd: number, packed: boolean): number {
  const { mmapSize, mmapOffset, numQueues, queueSize } = description;
  if (numQueues === 0 || queueSize === 0) {
    throw refused(
      `expected room for a queue, got ${counted(numQueues, "queue")} of ${counted(queueSize, "entry", "entries")}`,
    );
  }
  const needed = BigInt(neededBytes(description, packed));
  if (needed > BigInt(WINDOW_SIZE)) {
    throw refused(
      `expected at most ${WINDOW_SIZE} bytes, ${counted(numQueues, "queue")} need ${needed}`,
    );
  }
  if (mmapSize < needed) {
    throw refused(
      `expected at least ${counted(needed, "byte")} for ${counted(numQueues, "queue")} of ${counted(queueSize, "entry", "entries")}, got ${mmapSize}`,
    );
  }
  if (mmapOffset % 8n !== 0n) {
    throw refused(`expected an offset that is a multiple of 8, got ${mmapOffset}`);
  }
  const file = fstatSync(fd);
  if (!file.isFile()) throw refused("the descriptor is not a file that can be mapped");
  // Number() below would round a larger offset; no file is that long.
  if (mmapOffset + mmapSize > BigInt(file.size)) {
    throw refused(
      `expected a file of at least ${counted(mmapOffset + mmapSize, "byte")} (mmap offset + size), got ${file.size}`,
    );
  }
  return Math.max(PAGE_SIZE, file.blksize);
}

function refused(reason: string): MemoryAccessError {
  return new MemoryAccessError(`the memory for requests in flight: ${reason}`);
}
