import {
  counted,
  ProtocolError,
  UsageError,
  type WaitOptions,
} from "../../../../core/base/index.ts";
import { type Client, RequestPipeline, type SlotHandler } from "../../../frontend/index.ts";
import { FsError } from "../fs-error.ts";
import { MAX_ERRNO, replyHeader, requestHeader } from "../layout.ts";
import { fuseOpcodeName, mayLackReply } from "../opcodes.ts";
import type { FsQueue } from "./queue.ts";
import { viewOf } from "../wire.ts";

/** A FUSE request, as its sender describes it. */
export interface FuseCall {
  readonly opcode: number;
  readonly nodeid: bigint;
  readonly args?: Uint8Array | undefined;
  /** Bytes of the reply buffer behind its header; undefined if the request has no reply buffer. */
  readonly room?: number | undefined;
  /** The subject of the request, for errors, for example a name. */
  readonly about?: string | undefined;
}

/** Sends requests over queues that take turns, and judges the replies. */
export class FuseCaller {
  readonly #pipeline = new RequestPipeline<FsQueue>();
  #unique = 0n;

  /** Adds a queue, made with the handler that is passed; {@link start} starts it. */
  add(make: (handler: SlotHandler) => FsQueue): void {
    this.#pipeline.add(make);
  }

  /**
   * Starts the queues.
   *
   * @throws what `Client.startQueue` throws
   */
  async start(client: Client): Promise<void> {
    for (const queue of this.#pipeline.queues) await queue.start(client);
  }

  /**
   * The reply behind its header.
   *
   * @throws {FsError} the device answered an error
   * @throws {ProtocolError} the reply is none
   * @throws {TimeoutError | QueueError | PeerClosedError} the signal's reason
   */
  async call(call: FuseCall, wait: WaitOptions = {}): Promise<Uint8Array> {
    this.#unique += 2n;
    const unique = this.#unique;
    const room = call.room === undefined ? 0 : replyHeader.size + call.room;
    return this.#pipeline.send(
      {
        what: describeCall(call),
        submit: (queue, slot) => queue.submit(slot, encodeCall(call, unique), room),
        complete: (queue, slot, written) => takeReply(call, unique, queue.reply(slot, written)),
      },
      wait,
    );
  }
}

function encodeCall({ opcode, nodeid, args }: FuseCall, unique: bigint): Uint8Array {
  const bytes = new Uint8Array(requestHeader.size + (args?.length ?? 0));
  const header = { len: bytes.length, opcode, unique, nodeid, uid: 0, gid: 0, pid: 0 };
  requestHeader.write(viewOf(bytes), 0, header, true);
  if (args !== undefined) bytes.set(args, requestHeader.size);
  return bytes;
}

/** @param reply the bytes that the device reports as written */
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

/**
 * Encodes a name with its NUL.
 *
 * @throws {UsageError} it has a NUL, or is empty or too long
 */
export function encodeName(name: Uint8Array, longest: number): Uint8Array {
  if (name.length === 0 || name.length > longest || name.includes(0)) {
    throw new UsageError(
      `a name must have 1 to ${longest} bytes without NUL; this one has ${counted(name.length, "byte")}`,
    );
  }
  const bytes = new Uint8Array(name.length + 1);
  bytes.set(name);
  return bytes;
}
