import {
  counted,
  Deferred,
  ProtocolError,
  TimeoutError,
  UsageError,
  type WaitOptions,
} from "../../base/index.ts";
import type { Client } from "../../frontend/index.ts";
import { FsError } from "./fs-error.ts";
import { MAX_ERRNO, replyHeader, requestHeader } from "./layout.ts";
import { fuseOpcodeName, mayLackReply } from "./opcodes.ts";
import type { FsQueue, FsQueueHandler } from "./queue.ts";
import { viewOf } from "./wire.ts";

/** Default for one request, milliseconds. */
const DEFAULT_TIMEOUT_MS = 30_000;

/** A FUSE request, as whoever sends it has it. */
export interface FuseCall {
  readonly opcode: number;
  readonly nodeid: bigint;
  readonly args?: Uint8Array | undefined;
  /**
   * Bytes of room for the reply behind its header; undefined: the request carries no reply buffer.
   */
  readonly room?: number | undefined;
  /** What it is about, for errors, e.g. a name. */
  readonly about?: string | undefined;
}

interface Pending {
  readonly done: Deferred<Uint8Array>;
  readonly call: FuseCall;
  readonly unique: bigint;
}

/** Sends requests over queues that take turns, and judges the replies. */
export class FuseCaller {
  readonly #queues: FsQueue[] = [];
  readonly #pending: Map<number, Pending>[] = [];
  readonly #waiting: (() => void)[] = [];
  #turn = 0;
  #unique = 0n;

  /** Adds a queue, made with the handler that is passed; {@link start} starts it. */
  add(make: (handler: FsQueueHandler) => FsQueue): void {
    const index = this.#queues.length;
    this.#pending[index] = new Map();
    this.#queues.push(make(this.#handler(index)));
  }

  /** Starts the queues. @throws as `Client.startQueue` */
  async start(client: Client): Promise<void> {
    for (const queue of this.#queues) await queue.start(client);
  }

  /**
   * The reply behind its header.
   *
   * @throws {FsError} the device answered an error
   * @throws {ProtocolError} the reply is none
   * @throws {TimeoutError | QueueError | PeerClosedError} the signal's reason
   */
  async call(call: FuseCall, wait: WaitOptions = {}): Promise<Uint8Array> {
    const what = describeCall(call);
    const timeoutMs = wait.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const done = new Deferred<Uint8Array>(
      { ...wait, timeoutMs },
      () => new TimeoutError(`${what}: not completed within ${timeoutMs} ms`),
    );
    // A rejection is seen by whoever awaits the promise below, also if that is later.
    done.promise.catch(() => undefined);
    const { index, slot } = await this.#acquire(done);
    const queue = this.#queues[index];
    if (slot >= 0 && queue !== undefined) {
      this.#unique += 2n;
      const unique = this.#unique;
      this.#pending[index]?.set(slot, { done, call, unique });
      const room = call.room === undefined ? 0 : replyHeader.size + call.room;
      queue.submit(slot, encodeCall(call, unique), room);
    }
    return done.promise;
  }

  /** A free slot, queues taking turns; slot -1 once nobody waits for the request any more. */
  async #acquire(done: Deferred<Uint8Array>): Promise<{ index: number; slot: number }> {
    for (;;) {
      for (const { failure } of this.#queues) if (failure !== undefined) done.reject(failure);
      if (done.settled) return { index: 0, slot: -1 };
      for (let i = 0; i < this.#queues.length; i += 1) {
        this.#turn = (this.#turn + 1) % this.#queues.length;
        const slot = this.#queues[this.#turn]?.acquire() ?? -1;
        if (slot >= 0) return { index: this.#turn, slot };
      }
      await Promise.race([
        new Promise<void>((resolve) => this.#waiting.push(resolve)),
        done.promise,
      ]);
    }
  }

  #handler(index: number): FsQueueHandler {
    return {
      done: (slot, written) => {
        const queue = this.#queues[index];
        const pending = this.#pending[index]?.get(slot);
        if (queue === undefined || pending === undefined) return;
        this.#pending[index]?.delete(slot);
        const { done, call, unique } = pending;
        try {
          done.resolve(takeReply(call, unique, queue.reply(slot, written)));
        } catch (error) {
          done.reject(error);
        }
        queue.release(slot);
        this.#waiting.shift()?.();
      },
      failed: (error) => {
        for (const { done } of this.#pending[index]?.values() ?? []) done.reject(error);
        for (const wake of this.#waiting.splice(0)) wake();
      },
    };
  }
}

function encodeCall({ opcode, nodeid, args }: FuseCall, unique: bigint): Uint8Array {
  const bytes = new Uint8Array(requestHeader.size + (args?.length ?? 0));
  const header = { len: bytes.length, opcode, unique, nodeid, uid: 0, gid: 0, pid: 0 };
  requestHeader.write(viewOf(bytes), 0, header, true);
  if (args !== undefined) bytes.set(args, requestHeader.size);
  return bytes;
}

/** @param reply as many bytes as the device says that it has written */
function takeReply(call: FuseCall, unique: bigint, reply: Uint8Array): Uint8Array {
  if (call.room === undefined) return reply;
  const written = reply.length;
  if (written === 0 && mayLackReply(call.opcode)) return reply;
  if (written < replyHeader.size) {
    throw replyError(
      call,
      "len",
      `a reply of at least ${counted(replyHeader.size, "byte")}`,
      `${written}`,
    );
  }
  const header = replyHeader.read(viewOf(reply), 0, true);
  if (header.len !== written) {
    throw replyError(
      call,
      "len",
      `the ${counted(written, "byte")} that were written`,
      `${header.len}`,
    );
  }
  if (header.unique !== unique) {
    throw replyError(call, "unique", `${unique}, as in the request`, `${header.unique}`);
  }
  const { error } = header;
  if (error > 0 || error < -MAX_ERRNO) {
    throw replyError(call, "error", `0 or -1 to -${MAX_ERRNO}`, `${error}`);
  }
  if (error === 0) return reply.subarray(replyHeader.size);
  if (written !== replyHeader.size) {
    throw replyError(
      call,
      "len",
      `${counted(replyHeader.size, "byte")} for an error`,
      `${written}`,
    );
  }
  throw new FsError(describeCall(call), -error);
}

/** A reply that breaks the rules of FUSE. */
export function replyError(
  call: FuseCall,
  field: string,
  expected: string,
  actual: string,
): ProtocolError {
  const message = `reply to ${describeCall(call)}: ${field}: expected ${expected}, got ${actual}`;
  return new ProtocolError(message, { field, expected, actual });
}

function describeCall({ opcode, nodeid, about }: FuseCall): string {
  return `${fuseOpcodeName(opcode)} ${about ?? `of node ${nodeid}`}`;
}

/** Bytes of a name with its NUL. @throws {UsageError} it has a NUL, or is empty or too long */
export function encodeName(name: Uint8Array, longest: number): Uint8Array {
  if (name.length === 0 || name.length > longest || name.includes(0)) {
    throw new UsageError(
      `expected a name of 1 to ${longest} bytes without NUL, got ${counted(name.length, "byte")}`,
    );
  }
  const bytes = new Uint8Array(name.length + 1);
  bytes.set(name);
  return bytes;
}
