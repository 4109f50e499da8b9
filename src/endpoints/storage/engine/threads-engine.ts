import { constants } from "node:os";
import { fdatasync, read, write } from "node:fs";
import { fallocate } from "../../../core/os/index.ts";
import type { BlockStorage } from "../image/storage.ts";
import { errnoOf } from "../errno.ts";
import { BounceBuffers, isAligned } from "./bounce-buffers.ts";
import type { EngineOptions, StorageEngine } from "./engine.ts";
import { IoKind, type IoRequest } from "./io-request.ts";
import { FALLOCATE_STEP, ZERO_STEP, Zeroes } from "./range-steps.ts";

const { EFAULT, EIO } = constants.errno;
const BOUNCE_BUFFERS = 16;

/**
 * Node's thread pool: many requests at a time where io_uring is missing. `UV_THREADPOOL_SIZE` sets
 * how many are in system calls at once. For an event loop only, which gets the completions.
 */
export class ThreadsEngine implements StorageEngine {
  readonly name = "threads";
  inFlight = 0;
  readonly #storage: BlockStorage;
  readonly #onDone: (request: IoRequest) => void;
  readonly #onBatch: () => void;
  /** Requests that wait for a bounce buffer. */
  readonly #waiting: IoRequest[] = [];
  #bounce: BounceBuffers | undefined;
  #zeroes: Zeroes | undefined;

  constructor({ storage, onDone, onBatch = () => undefined }: EngineOptions) {
    this.#storage = storage;
    this.#onDone = onDone;
    this.#onBatch = onBatch;
  }

  start(request: IoRequest): boolean {
    request.error = 0;
    const movesNothing = this.#storage.isNull && request.kind <= IoKind.Write;
    if (movesNothing || (request.length === 0 && request.kind !== IoKind.Flush)) return true;
    this.inFlight += 1;
    this.#step(request);
    return false;
  }

  submit(): void {
    // Requests are handed over when they start.
  }

  collect(): void {
    // Completions come by callbacks.
  }

  wait(): void {
    throw new Error("the engine threads needs an event loop, which must not be blocked");
  }

  forgetWatched(): void {
    // Nothing is watched.
  }

  close(): void {
    this.#bounce?.close();
    this.#bounce = undefined;
    this.#zeroes?.close();
    this.#zeroes = undefined;
  }

  #step(request: IoRequest): void {
    if (request.kind <= IoKind.Write) this.#move(request);
    else if (request.kind === IoKind.Flush)
      fdatasync(this.#storage.fd, (error) => {
        const code = error === null ? 0 : errnoOf(error);
        this.#finish(request, this.#storage.hasNothingToFlush(code) ? 0 : code);
      });
    else this.#change(request);
  }

  #move(request: IoRequest): void {
    const { fd } = this.#storage;
    const { spans, kind, position, span, skip } = request;
    let bytes = spans.windows[span]?.bytes;
    let offset = (spans.offsets[span] ?? 0) + skip;
    let count = Math.min((spans.lengths[span] ?? 0) - skip, request.length);
    if (this.#storage.direct && !isAligned(request)) {
      const bounce = (this.#bounce ??= new BounceBuffers(BOUNCE_BUFFERS));
      request.bounce = bounce.take();
      if (request.bounce < 0) {
        this.#waiting.push(request);
        return;
      }
      count = kind === IoKind.Write ? bounce.fill(request.bounce, request) : bounce.room(request);
      bytes = bounce.bytes(request.bounce, count);
      offset = 0;
    }
    if (bytes === undefined) {
      // Completes later, like every request that started.
      setImmediate(() => this.#finish(request, EFAULT));
      return;
    }
    const done = (error: Error | null, moved: number): void => this.#moved(request, error, moved);
    if (kind === IoKind.Write) write(fd, bytes, offset, count, position, done);
    else read(fd, bytes, offset, count, position, done);
  }

  #moved(request: IoRequest, error: Error | null, moved: number): void {
    if (request.bounce >= 0) {
      if (request.kind === IoKind.Read && error === null)
        this.#bounce?.empty(request.bounce, request, moved);
      this.#bounce?.release(request.bounce);
      request.bounce = -1;
    }
    if (error !== null || moved === 0) {
      const code = error === null ? EIO : errnoOf(error);
      if (code === EFAULT) request.markBroken();
      this.#finish(request, code);
      return;
    }
    request.advance(moved);
    if (request.length > 0) this.#step(request);
    else this.#finish(request, 0);
  }

  /** Changes a range in steps, between which the event loop serves other requests. */
  #change(request: IoRequest): void {
    const { fd } = this.#storage;
    const { kind, position, length } = request;
    const mode = kind === IoKind.Zero ? "zero-range" : "punch-hole";
    if (!request.writesZeroes) {
      let code = 0;
      const step = Math.min(length, FALLOCATE_STEP);
      try {
        request.writesZeroes = !fallocate(fd, mode, position, step);
      } catch (error) {
        code = errnoOf(error);
      }
      if (!request.writesZeroes) {
        request.advance(step);
        const ends = code !== 0 || request.length === 0;
        setImmediate(() => (ends ? this.#finish(request, code) : this.#step(request)));
        return;
      }
    }
    if (kind === IoKind.Discard) {
      setImmediate(() => this.#finish(request, 0));
      return;
    }
    const { bytes } = (this.#zeroes ??= new Zeroes());
    write(fd, bytes, 0, Math.min(length, ZERO_STEP), position, (error, count) =>
      this.#moved(request, error, count),
    );
  }

  #finish(request: IoRequest, error: number): void {
    request.error = error;
    request.writesZeroes = false;
    this.inFlight -= 1;
    this.#onDone(request);
    const next = this.#waiting.shift();
    if (next !== undefined) this.#step(next);
    this.#onBatch();
  }
}
