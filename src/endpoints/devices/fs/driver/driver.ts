import {
  counted,
  NegotiationError,
  UsageError,
  type WaitOptions,
} from "../../../../core/base/index.ts";
import type { Client } from "../../../frontend/index.ts";
import { ProtocolFeature } from "../../../../core/protocol/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { decodeFsConfig, FS_CONFIG_SIZE, type FsConfig } from "../config.ts";
import {
  decodeDirents,
  decodeDirentsPlus,
  type DirectoryEntry,
  type DirectoryEntryPlus,
} from "../directory-entry.ts";
import { encodeName, type FuseCall, FuseCaller, replyError } from "./requests.ts";
import { Errno } from "../errno.ts";
import { FsError } from "../fs-error.ts";
import {
  attributesReply,
  entry,
  forgetRequest,
  FUSE_DEFAULT_PAGES,
  FUSE_MAJOR,
  FUSE_MIN_MINOR,
  FUSE_MINOR,
  FUSE_NAME_MAX,
  FUSE_ROOT_ID,
  type FuseAttributes,
  type FuseEntry,
  FuseInitFlag,
  type FuseStatfs,
  getattrRequest,
  type InitReply,
  initReply,
  initRequest,
  openReply,
  openRequest,
  readRequest,
  releaseRequest,
  statfs,
} from "../layout.ts";
import { nameText } from "../names.ts";
import { FuseOpcode } from "../opcodes.ts";
import { FsQueue } from "./queue.ts";
import { encodeStruct, type Struct, viewOf } from "../wire.ts";

const INIT_FLAGS =
  FuseInitFlag.AsyncRead |
  FuseInitFlag.DoReaddirplus |
  FuseInitFlag.ParallelDirops |
  FuseInitFlag.MaxPages;
const PAGE_SIZE = 4096;
const MAX_READAHEAD = 128 << 10;
/** The longest target of a link (PATH_MAX). */
const LINK_BYTES = 4096;
/** Bytes of an INIT reply before 7.23, which no server of virtio-fs sends. */
const SHORT_INIT_REPLY = 24;

export interface FsDriverOptions {
  /** Request queues to use, from 1 on. Default 1. */
  readonly queues?: number | undefined;
  /** Requests at once on each queue. Default 16. */
  readonly depth?: number | undefined;
  /** Bytes of the largest reply; longer reads are split. Default 128 KiB. */
  readonly transferBytes?: number | undefined;
  /** Default `event`. */
  readonly ringMode?: RingMode | undefined;
  /** The limits of the INIT request. */
  readonly wait?: WaitOptions | undefined;
}

/** An open file or folder. */
export interface FsFile {
  readonly nodeid: bigint;
  readonly fh: bigint;
}

/**
 * Drives a file system device (VIRTIO 5.11) on the queues of a client: FUSE requests for reading, as
 * methods. Nodes are numbers that {@link lookup} gives, until {@link forget}; names are bytes.
 *
 * Every method throws {@link FsError} for what the device answers, {@link ProtocolError} for a reply
 * that is none, and {@link TimeoutError}, {@link QueueError} or {@link PeerClosedError}.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { FsDriver, FUSE_ROOT_ID } from "vhost-user/devices/fs";
 *
 * const client = await Client.connect("fs.sock");
 * const driver = await FsDriver.start(client);
 * const { nodeid, attr } = await driver.lookup(FUSE_ROOT_ID, Buffer.from("hello.txt"));
 * const file = await driver.open(nodeid);
 * console.log(attr.size, await driver.read(file, 0n, 4096));
 * await driver.release(file);
 * await client.close();
 * ```
 */
export class FsDriver {
  /** The configuration space; undefined if the device has none, like virtiofsd. */
  readonly config: FsConfig | undefined;
  /** Bytes of the largest read. */
  readonly readBytes: number;
  /** The reply of the device to INIT. */
  readonly init: InitReply;
  readonly #transferBytes: number;
  readonly #requests: FuseCaller;
  readonly #forgets: FuseCaller;

  private constructor(
    config: FsConfig | undefined,
    init: InitReply,
    transferBytes: number,
    callers: readonly [requests: FuseCaller, forgets: FuseCaller],
  ) {
    this.config = config;
    this.init = init;
    this.#transferBytes = transferBytes;
    [this.#requests, this.#forgets] = callers;
    const isMore = (init.flags & FuseInitFlag.MaxPages) !== 0 && init.maxPages > 0;
    const pages = isMore ? init.maxPages : FUSE_DEFAULT_PAGES;
    this.readBytes = Math.min(transferBytes, pages * PAGE_SIZE);
  }

  /**
   * Starts the queues of a client and begins a FUSE session on them.
   *
   * @throws {UsageError} more queues than the device has, or an invalid depth or size
   * @throws {NegotiationError} the device does not support FUSE 7.31 or newer
   */
  static async start(client: Client, options: FsDriverOptions = {}): Promise<FsDriver> {
    const { queues = 1, depth = 16, transferBytes = 128 << 10, ringMode = "event" } = options;
    const config = await readFsConfig(client);
    const available = config?.numRequestQueues ?? Infinity;
    if (!(queues >= 1 && queues <= available && depth >= 1 && transferBytes >= LINK_BYTES)) {
      throw new UsageError(
        `queues must be at least 1 and at most ${available}, depth at least 1 and transferBytes at least ${LINK_BYTES}, ` +
          `not ${queues}, ${depth} and ${transferBytes}`,
      );
    }
    const forgets = new FuseCaller();
    const hiprio = { index: 0, depth, replyBytes: 0, ringMode };
    forgets.add((handler) => new FsQueue(client, hiprio, handler));
    const requests = new FuseCaller();
    for (let index = 1; index <= queues; index += 1) {
      const queue = { index, depth, replyBytes: transferBytes, ringMode };
      requests.add((handler) => new FsQueue(client, queue, handler));
    }
    // A session that reconnects tracks requests in flight for the queues that exist at the first start.
    for (const caller of [forgets, requests]) await caller.start(client);
    const init = await negotiateFuse(requests, options.wait);
    return new FsDriver(config, init, transferBytes, [requests, forgets]);
  }

  /** Finds a name in a folder and counts that: each success is to be taken back by {@link forget}. */
  async lookup(folder: bigint, name: Uint8Array, wait?: WaitOptions): Promise<FuseEntry> {
    const call: FuseCall = {
      opcode: FuseOpcode.Lookup,
      nodeid: folder,
      args: encodeName(name, FUSE_NAME_MAX),
      room: entry.size,
      about: `of "${nameText(name)}" in node ${folder}`,
    };
    const found = await this.#call(call, entry, wait);
    // "There is none, and that may be kept for a while."
    if (found.nodeid === 0n) throw new FsError(`FUSE_LOOKUP ${call.about}`, Errno.ENOENT);
    return found;
  }

  /** Takes back that a node was found `count` times. */
  async forget(nodeid: bigint, count = 1n, wait?: WaitOptions): Promise<void> {
    const args = encodeStruct(forgetRequest, { nlookup: count });
    await this.#forgets.call({ opcode: FuseOpcode.Forget, nodeid, args }, wait);
  }

  async getattr(nodeid: bigint, wait?: WaitOptions): Promise<FuseAttributes> {
    const args = encodeStruct(getattrRequest, { flags: 0, fh: 0n });
    const call = { opcode: FuseOpcode.Getattr, nodeid, args, room: attributesReply.size };
    return (await this.#call(call, attributesReply, wait)).attr;
  }

  /** Reads the target of a symbolic link, as bytes. */
  async readlink(nodeid: bigint, wait?: WaitOptions): Promise<Uint8Array> {
    const call = { opcode: FuseOpcode.Readlink, nodeid, room: LINK_BYTES };
    return this.#requests.call(call, wait);
  }

  /** Opens a file for reading. */
  async open(nodeid: bigint, wait?: WaitOptions): Promise<FsFile> {
    return this.#open(FuseOpcode.Open, nodeid, wait);
  }

  /** Up to {@link readBytes} bytes; fewer than `size` only at the end of the file. */
  async read(file: FsFile, offset: bigint, size: number, wait?: WaitOptions): Promise<Uint8Array> {
    return this.#read(FuseOpcode.Read, file, offset, Math.min(size, this.readBytes), wait);
  }

  async release(file: FsFile, wait?: WaitOptions): Promise<void> {
    await this.#release(FuseOpcode.Release, file, wait);
  }

  async opendir(nodeid: bigint, wait?: WaitOptions): Promise<FsFile> {
    return this.#open(FuseOpcode.Opendir, nodeid, wait);
  }

  /** Reads entries from an offset on, 0 or an entry's `off`; none at the end. */
  async readdir(folder: FsFile, offset: bigint, wait?: WaitOptions): Promise<DirectoryEntry[]> {
    return decodeDirents(
      await this.#read(FuseOpcode.Readdir, folder, offset, this.#transferBytes, wait),
    );
  }

  /** Reads entries like {@link readdir}; each entry whose `nodeid` is not 0 was looked up and counted. */
  async readdirplus(
    folder: FsFile,
    offset: bigint,
    wait?: WaitOptions,
  ): Promise<DirectoryEntryPlus[]> {
    return decodeDirentsPlus(
      await this.#read(FuseOpcode.Readdirplus, folder, offset, this.#transferBytes, wait),
    );
  }

  async releasedir(folder: FsFile, wait?: WaitOptions): Promise<void> {
    await this.#release(FuseOpcode.Releasedir, folder, wait);
  }

  async statfs(wait?: WaitOptions): Promise<FuseStatfs> {
    const call = { opcode: FuseOpcode.Statfs, nodeid: FUSE_ROOT_ID, room: statfs.size };
    return this.#call(call, statfs, wait);
  }

  /** Ends the FUSE session: the device drops all looked-up entries and open files. */
  async destroy(wait?: WaitOptions): Promise<void> {
    await this.#requests.call({ opcode: FuseOpcode.Destroy, nodeid: 0n, room: 0 }, wait);
  }

  /**
   * Sends any request and returns its raw reply, for requests without a method.
   *
   * @throws what every method throws
   */
  async request(call: FuseCall, wait?: WaitOptions): Promise<Uint8Array> {
    return this.#requests.call(call, wait);
  }

  async #open(opcode: number, nodeid: bigint, wait?: WaitOptions): Promise<FsFile> {
    const args = encodeStruct(openRequest, { flags: 0 });
    const call = { opcode, nodeid, args, room: openReply.size };
    const { fh } = await this.#call(call, openReply, wait);
    return { nodeid, fh };
  }

  async #read(
    opcode: number,
    { nodeid, fh }: FsFile,
    offset: bigint,
    size: number,
    wait?: WaitOptions,
  ): Promise<Uint8Array> {
    const args = encodeStruct(readRequest, { fh, offset, size });
    return this.#requests.call({ opcode, nodeid, args, room: size }, wait);
  }

  async #release(opcode: number, { nodeid, fh }: FsFile, wait?: WaitOptions): Promise<void> {
    const args = encodeStruct(releaseRequest, { fh });
    await this.#requests.call({ opcode, nodeid, args, room: 0 }, wait);
  }

  async #call<T>(call: FuseCall, reply: Struct<T>, wait?: WaitOptions): Promise<T> {
    const body = await this.#requests.call(call, wait);
    if (body.length !== reply.size) {
      throw replyError(
        call,
        "len",
        `${counted(reply.size, "byte")} behind the header`,
        `${body.length}`,
      );
    }
    return reply.read(viewOf(body), 0, true);
  }
}

async function negotiateFuse(requests: FuseCaller, wait?: WaitOptions): Promise<InitReply> {
  const args = encodeStruct(initRequest, {
    major: FUSE_MAJOR,
    minor: FUSE_MINOR,
    maxReadahead: MAX_READAHEAD,
    flags: INIT_FLAGS,
    flags2: 0,
  });
  const call: FuseCall = { opcode: FuseOpcode.Init, nodeid: 0n, args, room: initReply.size };
  const body = await requests.call(call, wait);
  if (body.length < SHORT_INIT_REPLY) {
    throw replyError(
      call,
      "len",
      `${counted(initReply.size, "byte")} behind the header`,
      `${body.length}`,
    );
  }
  const whole = new Uint8Array(initReply.size);
  whole.set(body);
  const init = initReply.read(viewOf(whole), 0, true);
  if (init.major !== FUSE_MAJOR || init.minor < FUSE_MIN_MINOR) {
    throw new NegotiationError(
      `the device speaks FUSE ${init.major}.${init.minor}; the driver needs ${FUSE_MAJOR}.${FUSE_MIN_MINOR} or newer`,
    );
  }
  return init;
}

async function readFsConfig(client: Client): Promise<FsConfig | undefined> {
  if ((client.protocolFeatures & ProtocolFeature.Config) === 0n) return undefined;
  return decodeFsConfig(await client.requests.getConfig(0, FS_CONFIG_SIZE));
}
