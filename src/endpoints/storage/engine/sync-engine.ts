import { constants } from "node:os";
import { readSync, writeSync } from "node:fs";
import { fallocate, waitReadable } from "../../../core/os/index.ts";
import type { BlockStorage } from "../image/storage.ts";
import { errnoOf } from "../errno.ts";
import { BounceBuffers, isAligned } from "./bounce-buffers.ts";
import type { EngineOptions, StorageEngine } from "./engine.ts";
import { IoKind, type IoRequest } from "./io-request.ts";
import { ZERO_STEP, Zeroes } from "./range-steps.ts";

const { EFAULT, EIO } = constants.errno;

/**
 * One blocking system call after another: best for memory and for the page cache, where nothing
 * waits. On an event loop flushes run in Node's thread pool: a disk may take a long time for one.
 */
export class SyncEngine implements StorageEngine {
  readonly name = "sync";
  inFlight = 0;
  readonly #storage: BlockStorage;
  readonly #onDone: (request: IoRequest) => void;
  readonly #onBatch: (() => void) | undefined;
  #bounce: BounceBuffers | undefined;
  #zeroes: Zeroes | undefined;

  constructor({ storage, onDone, onBatch }: EngineOptions) {
    this.#storage = storage;
    this.#onDone = onDone;
    this.#onBatch = onBatch;
  }

  start(request: IoRequest): boolean {
    request.error = 0;
    if (request.kind === IoKind.Flush && this.#onBatch !== undefined) {
      this.#flushLater(request, this.#onBatch);
      return false;
    }
    try {
      request.error = this.#run(request);
    } catch (error) {
      request.error = errnoOf(error);
      if (request.error === EFAULT) request.markBroken();
    }
    return true;
  }

  submit(): void {
    // Everything has completed already.
  }

  collect(): void {
    // Nothing completes later but flushes, which report themselves.
  }

  wait(fds: Int32Array, ready: Int32Array, timeoutUs: number): void {
    waitReadable(fds, ready, timeoutUs);
  }

  forgetWatched(): void {
    // Descriptors are only watched while wait() runs.
  }

  close(): void {
    this.#bounce?.close();
    this.#bounce = undefined;
    this.#zeroes?.close();
    this.#zeroes = undefined;
  }

  #flushLater(request: IoRequest, onBatch: () => void): void {
    this.inFlight += 1;
    this.#storage.flush((succeeded) => {
      request.error = succeeded ? 0 : EIO;
      this.inFlight -= 1;
      this.#onDone(request);
      onBatch();
    });
  }

  /** Returns the errno, or throws Node's error. */
  #run(request: IoRequest): number {
    const storage = this.#storage;
    switch (request.kind) {
      case IoKind.Read:
      case IoKind.Write:
        if (storage.isNull) return 0;
        return storage.direct && !isAligned(request) ? this.#bounced(request) : this.#move(request);
      case IoKind.Flush:
        return storage.flushSync() ? 0 : EIO;
      case IoKind.Discard:
        storage.discard(request.position, request.length);
        return 0;
      case IoKind.Zero:
      case IoKind.ZeroAndFree:
        if (storage.direct) return this.#zeroDirect(request);
        storage.zero(request.position, request.length, request.kind === IoKind.ZeroAndFree);
        return 0;
    }
  }

  #move(request: IoRequest): number {
    const storage = this.#storage;
    const { spans, kind } = request;
    let { position, length, span, skip } = request;
    for (; length > 0; span += 1) {
      const window = spans.windows[span];
      if (window === undefined) return EFAULT;
      const offset = (spans.offsets[span] ?? 0) + skip;
      const take = Math.min((spans.lengths[span] ?? 0) - skip, length);
      const moved =
        kind === IoKind.Write
          ? storage.write(position, window, offset, take)
          : storage.read(position, window, offset, take);
      if (!moved) return EIO;
      position += take;
      length -= take;
      skip = 0;
    }
    return 0;
  }

  /** Zeroes that have to be written come from memory that direct I/O can use. */
  #zeroDirect(request: IoRequest): number {
    const { fd } = this.#storage;
    const mode = request.kind === IoKind.ZeroAndFree ? "punch-hole" : "zero-range";
    if (fallocate(fd, mode, request.position, request.length)) return 0;
    const { bytes } = (this.#zeroes ??= new Zeroes());
    while (request.length > 0) {
      const step = Math.min(request.length, ZERO_STEP);
      request.advance(writeSync(fd, bytes, 0, step, request.position));
    }
    return 0;
  }

  #bounced(request: IoRequest): number {
    const { fd } = this.#storage;
    const bounce = (this.#bounce ??= new BounceBuffers(1));
    while (request.length > 0) {
      let count: number;
      if (request.kind === IoKind.Write) {
        const bytes = bounce.bytes(0, bounce.fill(0, request));
        count = writeSync(fd, bytes, 0, bytes.length, request.position);
      } else {
        count = readSync(fd, bounce.bytes(0, bounce.room(request)), {
          position: request.position,
        });
        bounce.empty(0, request, count);
      }
      if (count === 0) return EIO;
      request.advance(count);
    }
    return 0;
  }
}
