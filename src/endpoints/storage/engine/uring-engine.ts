import { constants } from "node:os";
import { Poller, Uring, URING_DATASYNC, UringOperation } from "../../../core/os/index.ts";
import type { BlockStorage } from "../image/storage.ts";
import { BounceBuffers, isAligned } from "./bounce-buffers.ts";
import type { EngineOptions, StorageEngine } from "./engine.ts";
import { IoKind, type IoRequest } from "./io-request.ts";
import { FALLOCATE_STEP, ZERO_STEP, Zeroes } from "./range-steps.ts";
import { SyncEngine } from "./sync-engine.ts";
import { UringMemory } from "./uring-memory.ts";
import { UringWatch, WATCH_NUMBERS } from "./uring-watch.ts";

const { EAGAIN, EFAULT, EINTR, EIO, ENOSYS, EOPNOTSUPP } = constants.errno;
/** Entries of the rings. More requests than that may be in flight: the kernel keeps the rest. */
const ENTRIES = 256;
const COMPLETIONS = 2048;
const BOUNCE_BUFFERS = 32;
const PUNCH_HOLE = 1 | 2;
const ZERO_RANGE = 1 | 16;

/**
 * io_uring: requests move data between the file and guest memory without a copy, and only wait
 * where the disk does. What never waits is cheaper as a plain system call, and is made as one: the
 * only read of a turn, and writes into the page cache, which the kernel would hand to threads.
 */
export class UringEngine implements StorageEngine {
  readonly name = "uring";
  inFlight = 0;
  readonly #storage: BlockStorage;
  readonly #onDone: (request: IoRequest) => void;
  readonly #ring: Uring;
  readonly #memory: UringMemory;
  readonly #watch: UringWatch;
  readonly #sync: SyncEngine;
  readonly #poller: Poller | undefined;
  readonly #requests: (IoRequest | undefined)[] = [];
  /** Requests whose next step found no room in the ring, or no bounce buffer. */
  readonly #waiting: IoRequest[] = [];
  /** The first read of a turn in the page cache, while it is not known whether it is the only one. */
  #held: IoRequest | undefined;
  #bounce: BounceBuffers | undefined;
  #zeroes: Zeroes | undefined;

  /** @throws {SystemError} see `Uring.create` */
  constructor({ storage, onDone, onBatch }: EngineOptions) {
    this.#storage = storage;
    this.#onDone = onDone;
    this.#sync = new SyncEngine({ storage, onDone });
    // An event loop looks at the ring's descriptor, which deferred completions do not signal.
    const deferred = onBatch === undefined;
    this.#ring = Uring.create({ entries: ENTRIES, completions: COMPLETIONS, deferred });
    this.#watch = new UringWatch(this.#ring);
    let memory: UringMemory | undefined;
    try {
      this.#memory = memory = new UringMemory(ENTRIES);
      if (onBatch === undefined) return;
      this.#poller = new Poller(this.#ring.descriptor.fd, { readable: true }, () => {
        this.collect();
        onBatch();
      });
    } catch (error) {
      memory?.close();
      this.#ring.close();
      throw error;
    }
  }

  start(request: IoRequest): boolean {
    const storage = this.#storage;
    request.error = 0;
    const { kind } = request;
    if (kind <= IoKind.Write) {
      if (storage.isNull || (kind === IoKind.Write && !storage.direct))
        return this.#sync.start(request);
      if (request.length === 0) return true;
    } else if (kind !== IoKind.Flush && request.length === 0) return true;
    const isFirst = this.inFlight === 0;
    this.inFlight += 1;
    if (this.#held !== undefined) this.#release(this.#held);
    // An event loop must not wait for a disk; a thread of its own may.
    if (isFirst && kind === IoKind.Read && !storage.direct && this.#poller === undefined)
      this.#held = request;
    else this.#step(request);
    return false;
  }

  submit(): void {
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      this.#sync.start(held);
      this.#finish(held, held.error);
    }
    if (this.#ring.pending > 0) this.#ring.enter(0);
  }

  collect(): void {
    const ring = this.#ring;
    for (;;) {
      let taken = 0;
      for (; ring.next(); taken += 1) this.#complete(ring.userData, ring.result);
      this.#retry();
      const { pending } = ring;
      // Behind a full ring there may be more, which the kernel adds with the next call only.
      if (pending === 0 && taken < ring.capacity) return;
      ring.enter(0);
      if (taken === 0 && ring.pending === pending) return;
    }
  }

  wait(fds: Int32Array, ready: Int32Array, timeoutUs: number): void {
    if (this.#held !== undefined) this.submit();
    this.#watch.add(fds);
    const complete = timeoutUs === 0 || this.#watch.seen(fds.length) ? 0 : 1;
    this.#ring.enter(complete, timeoutUs);
    this.collect();
    this.#watch.take(ready);
  }

  forgetWatched(): void {
    this.#watch.forget();
  }

  close(): void {
    this.#poller?.close();
    this.#ring.close();
    this.#memory.close();
    this.#sync.close();
    this.#bounce?.close();
    this.#zeroes?.close();
  }

  #release(held: IoRequest): void {
    this.#held = undefined;
    this.#step(held);
  }

  #retry(): void {
    for (let left = this.#waiting.length; left > 0; left -= 1) {
      const request = this.#waiting.shift();
      if (request !== undefined) this.#step(request);
    }
  }

  /** Adds the next system call of a request to the ring. */
  #step(request: IoRequest): void {
    const ring = this.#ring;
    this.#requests[request.slot] = request;
    if (ring.free === 0) ring.enter(0);
    if (ring.free === 0) {
      this.#waiting.push(request);
      return;
    }
    if (request.kind <= IoKind.Write) this.#move(request);
    else if (request.kind === IoKind.Flush)
      this.#add(UringOperation.Sync, request, 0, 0, URING_DATASYNC);
    else this.#change(request);
  }

  #move(request: IoRequest): void {
    const { spans, span, skip, length } = request;
    const isWrite = request.kind === IoKind.Write;
    if (this.#storage.direct && !isAligned(request)) {
      this.#bounceStep(request, isWrite);
      return;
    }
    const window = spans.windows[span];
    const size = (spans.lengths[span] ?? 0) - skip;
    if (window !== undefined && size >= length) {
      const address = this.#memory.base(window) + (spans.offsets[span] ?? 0) + skip;
      this.#add(isWrite ? UringOperation.Write : UringOperation.Read, request, address, length, 0);
      return;
    }
    const entry = this.#ring.entry;
    const count = this.#memory.fill(entry, request);
    const operation = isWrite ? UringOperation.WriteVector : UringOperation.ReadVector;
    this.#add(operation, request, this.#memory.vector(entry), count, 0);
  }

  #bounceStep(request: IoRequest, isWrite: boolean): void {
    const bounce = (this.#bounce ??= new BounceBuffers(BOUNCE_BUFFERS));
    request.bounce = bounce.take();
    if (request.bounce < 0) {
      this.#waiting.push(request);
      return;
    }
    const address = bounce.address + bounce.offset(request.bounce);
    if (isWrite)
      this.#add(UringOperation.Write, request, address, bounce.fill(request.bounce, request), 0);
    else this.#add(UringOperation.Read, request, address, bounce.room(request), 0);
  }

  #change(request: IoRequest): void {
    const { kind, length } = request;
    if (request.writesZeroes) {
      const zeroes = (this.#zeroes ??= new Zeroes());
      request.step = Math.min(length, ZERO_STEP);
      this.#add(UringOperation.Write, request, zeroes.address, request.step, 0);
      return;
    }
    request.step = Math.min(length, FALLOCATE_STEP);
    const mode = kind === IoKind.Zero ? ZERO_RANGE : PUNCH_HOLE;
    // The entry of fallocate(2) has its length as the address and its mode as the length.
    this.#add(UringOperation.Fallocate, request, request.step, mode, 0);
  }

  #add(
    operation: number,
    request: IoRequest,
    address: number,
    length: number,
    flags: number,
  ): void {
    const position = operation === UringOperation.Sync ? 0 : request.position;
    this.#ring.add(
      operation,
      this.#storage.fd,
      address,
      Math.floor(address / 2 ** 32),
      length,
      position,
      Math.floor(position / 2 ** 32),
      flags,
      request.slot + WATCH_NUMBERS,
    );
  }

  #complete(userData: number, result: number): void {
    if (userData < WATCH_NUMBERS) {
      this.#watch.completed(userData, result);
      return;
    }
    const request = this.#requests[userData - WATCH_NUMBERS];
    if (request === undefined) return;
    const { bounce } = request;
    if (bounce >= 0) {
      if (result > 0 && request.kind === IoKind.Read) this.#bounce?.empty(bounce, request, result);
      this.#bounce?.release(bounce);
      request.bounce = -1;
    }
    if (result === -EINTR || result === -EAGAIN) {
      this.#step(request);
      return;
    }
    const done =
      request.kind <= IoKind.Write ? moved(request, result) : this.#changed(request, result);
    if (done < 0) this.#step(request);
    else this.#finish(request, done);
  }

  /** Returns the outcome; -1 if another step follows. */
  #changed(request: IoRequest, result: number): number {
    const { kind } = request;
    if (kind === IoKind.Flush) {
      return result >= 0 || this.#storage.hasNothingToFlush(-result) ? 0 : -result;
    }
    if (request.writesZeroes) return moved(request, result);
    if (result === -EOPNOTSUPP || result === -ENOSYS) {
      if (kind === IoKind.Discard) return 0;
      request.writesZeroes = true;
      return -1;
    }
    if (result < 0) return -result;
    request.advance(request.step);
    return request.length === 0 ? 0 : -1;
  }

  #finish(request: IoRequest, error: number): void {
    request.error = error;
    request.writesZeroes = false;
    this.#requests[request.slot] = undefined;
    this.inFlight -= 1;
    this.#onDone(request);
  }
}

/** Returns the outcome of a transfer; -1 if bytes are left. */
function moved(request: IoRequest, result: number): number {
  if (result === -EFAULT) request.markBroken();
  if (result <= 0) return result === 0 ? EIO : -result;
  request.advance(result);
  return request.length === 0 ? 0 : -1;
}
