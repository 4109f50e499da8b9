import {
  canWrite,
  type ChainCursor,
  copyIn,
  copyOut,
  createChainCursor,
  type QueueFault,
  type ServedQueue,
} from "../../../../core/virtqueue/index.ts";
import type { SharedFolder } from "./folder.ts";
import { OPERATIONS } from "./operations.ts";
import { FuseReply, FuseRequest } from "./request.ts";
import { type FsLimits, FsSession } from "./session.ts";
import { Errno, errnoOf } from "../errno.ts";
import {
  batchForgetRequest,
  forgetOne,
  forgetRequest,
  FUSE_MAJOR,
  FUSE_MIN_MINOR,
  FUSE_MINOR,
  FuseInitFlag,
  initReply,
  initRequest,
  replyHeader,
  requestHeader,
  SHORT_INIT_REQUEST,
} from "../layout.ts";
import { FuseOpcode } from "../opcodes.ts";
import { viewOf } from "../wire.ts";

/** The flags of the driver's INIT that this server accepts. */
const INIT_FLAGS =
  FuseInitFlag.AsyncRead |
  FuseInitFlag.AutoInvalData |
  FuseInitFlag.DoReaddirplus |
  FuseInitFlag.ReaddirplusAuto |
  FuseInitFlag.ParallelDirops |
  FuseInitFlag.MaxPages;
const MAX_PAGES = 256;
/** The folder is read-only, but drivers without MAX_PAGES derive page counts from this size. */
const MAX_WRITE = 128 << 10;
/** Bytes of file data after which the event loop serves other rings. */
const BYTES_PER_TURN = 4 << 20;
/** The header of a request that is shorter than a header. */
const NO_HEADER = requestHeader.read(viewOf(new Uint8Array(requestHeader.size)), 0, true);
/** Limit on entries of one BATCH_FORGET, and number of entries that are read together. */
const MAX_FORGETS = 65_536;
const FORGETS_AT_ONCE = 256;

/** Executes the requests of a driver, from any queue. */
export class FuseServer {
  readonly #folder: SharedFolder;
  readonly #limits: FsLimits;
  readonly #chain: ChainCursor = createChainCursor();
  readonly #request = new FuseRequest();
  readonly #reply = new FuseReply();
  readonly #forgets = new Uint8Array(FORGETS_AT_ONCE * forgetOne.size);
  #session: FsSession | undefined;

  constructor(folder: SharedFolder, limits: FsLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  /** The entries that the driver has looked up and opened; undefined before INIT. */
  get session(): FsSession | undefined {
    return this.#session;
  }

  /** Byte order of the session. */
  get little(): boolean {
    return this.#request.little;
  }

  /** A session that is not served yet: {@link take} or close it. */
  begin(): FsSession {
    return new FsSession(this.#folder, this.#limits);
  }

  /** Continues with a session that replaces the current one. */
  take(session: FsSession, little: boolean): void {
    this.end();
    this.#session = session;
    this.#request.little = little;
  }

  /** Ends the session: the driver must begin with INIT again. */
  end(): void {
    this.#session?.close();
    this.#session = undefined;
  }

  serve(queue: ServedQueue, budget: number): void {
    let bytes = 0;
    for (; budget > 0 && bytes < BYTES_PER_TURN && queue.next(this.#chain); budget -= 1) {
      bytes += this.#serve(queue, this.#chain);
    }
  }

  /** Serves a request and returns the number of bytes written. */
  #serve(queue: ServedQueue, chain: ChainCursor): number {
    const request = this.#request;
    if (chain.unreachable !== undefined) {
      this.#refuseUnreachable(queue, chain, chain.unreachable);
      return 0;
    }
    if (!request.take(chain)) {
      queue.fail(
        `expected a FUSE request of at least ${requestHeader.size} readable bytes, got ${chain.readableBytes}`,
        "5.11.6",
      );
      return 0;
    }
    const { opcode, len } = request.header;
    const isWhole = len === chain.readableBytes;
    if (hasNoReply(opcode)) {
      if (isWhole) this.#forget(opcode, chain);
      queue.complete(chain.id, 0);
      return 0;
    }
    if (chain.writableBytes < replyHeader.size) {
      // Without room for a reply the driver could not notice the result of the request.
      queue.fail(
        `expected at least ${replyHeader.size} writable bytes for a FUSE reply, got ${chain.writableBytes}`,
        "5.11.6",
      );
      return 0;
    }
    this.#reply.little = request.little;
    return this.#answer(queue, chain, isWhole ? this.#run(opcode, chain) : -Errno.EINVAL);
  }

  /** A request with a buffer outside of shared memory: nothing of it is carried out. */
  #refuseUnreachable(queue: ServedQueue, chain: ChainCursor, why: QueueFault): void {
    if (chain.writableBytes === 0) {
      // These requests have no reply.
      queue.complete(chain.id, 0);
      return;
    }
    if (!canWrite(chain, 0, replyHeader.size)) {
      queue.fail(why.reason, why.section);
      return;
    }
    // A request with an unreadable header is answered with the unique number 0; drivers identify it
    // by its chain.
    if (!this.#request.take(chain)) this.#request.header = NO_HEADER;
    this.#reply.little = this.#request.little;
    this.#answer(queue, chain, -Errno.EIO);
  }

  /** @param result bytes behind the header, or `-errno` */
  #answer(queue: ServedQueue, chain: ChainCursor, result: number): number {
    const { unique, opcode } = this.#request.header;
    const length = Math.max(0, result);
    this.#reply.putHeader(unique, Math.min(0, result), length);
    const isDirect = OPERATIONS.get(opcode)?.isDirect === true;
    const here = replyHeader.size + (isDirect ? 0 : length);
    copyIn(chain, 0, this.#reply.bytes, 0, here);
    const written = replyHeader.size + length;
    queue.complete(chain.id, written);
    return written;
  }

  /** Bytes of the reply behind its header, or `-errno`. */
  #run(opcode: number, chain: ChainCursor): number {
    const request = this.#request;
    const reply = this.#reply;
    const room = chain.writableBytes - replyHeader.size;
    if (opcode === FuseOpcode.Init) return this.#init(room);
    const session = this.#session;
    if (session === undefined) return -Errno.EIO;
    if (opcode === FuseOpcode.Destroy) {
      this.end();
      return 0;
    }
    const operation = OPERATIONS.get(opcode);
    if (operation === undefined) return -Errno.ENOSYS;
    if (request.argsLength < operation.args || room < operation.reply) return -Errno.EINVAL;
    try {
      return operation.run({ session, request, reply, chain, room });
    } catch (error) {
      return errnoOf(error);
    }
  }

  /** A second INIT ends the previous session: the driver has restarted. */
  #init(room: number): number {
    const request = this.#request;
    if (request.argsLength < SHORT_INIT_REQUEST || room < initReply.size) return -Errno.EINVAL;
    const { major, minor, maxReadahead, flags } = request.initArgs(initRequest);
    if (major < FUSE_MAJOR || (major === FUSE_MAJOR && minor < FUSE_MIN_MINOR)) {
      return -Errno.EPROTO;
    }
    this.end();
    // A newer driver gets our version, and sends another INIT.
    const isNewer = major > FUSE_MAJOR;
    try {
      if (!isNewer) this.#session = this.begin();
    } catch (error) {
      return errnoOf(error);
    }
    return this.#reply.put(initReply, {
      major: FUSE_MAJOR,
      minor: isNewer ? FUSE_MINOR : Math.min(minor, FUSE_MINOR),
      maxReadahead,
      flags: flags & INIT_FLAGS,
      maxBackground: 0,
      congestionThreshold: 0,
      maxWrite: MAX_WRITE,
      timeGran: 1,
      maxPages: (flags & FuseInitFlag.MaxPages) === 0 ? 0 : MAX_PAGES,
      mapAlignment: 0,
      flags2: 0,
    });
  }

  #forget(opcode: number, chain: ChainCursor): void {
    const nodes = this.#session?.nodes;
    const request = this.#request;
    if (nodes === undefined) return;
    if (opcode === FuseOpcode.Forget && request.argsLength >= forgetRequest.size) {
      nodes.forget(request.node, Number(request.args(forgetRequest).nlookup));
    }
    if (opcode !== FuseOpcode.BatchForget || request.argsLength < batchForgetRequest.size) return;
    const { count } = request.args(batchForgetRequest);
    const listed = request.argsLength - batchForgetRequest.size;
    if (count > MAX_FORGETS || count * forgetOne.size > listed) return;
    for (let done = 0; done < count; done += FORGETS_AT_ONCE) {
      const now = Math.min(FORGETS_AT_ONCE, count - done);
      const start = requestHeader.size + batchForgetRequest.size + done * forgetOne.size;
      copyOut(chain, start, this.#forgets, now * forgetOne.size);
      for (let at = 0; at < now * forgetOne.size; at += forgetOne.size) {
        const { nodeid, nlookup } = forgetOne.read(viewOf(this.#forgets), at, request.little);
        nodes.forget(Number(nodeid), Number(nlookup));
      }
    }
  }
}

/** Returns whether a request has no reply: it completes with nothing written. */
function hasNoReply(opcode: number): boolean {
  return (
    opcode === FuseOpcode.Forget ||
    opcode === FuseOpcode.BatchForget ||
    opcode === FuseOpcode.Interrupt
  );
}
