import { FuseOpcode } from "../../../endpoints/devices/fs/opcodes.ts";
import type { KitPorts } from "../../conformance/kit/back-end/kit.ts";
import type { CheckContext } from "../../conformance/kit/back-end/context.ts";
import { CaseFailure } from "../../engine/index.ts";
import type {
  RunningDevice,
  BringUpOptions,
} from "../../conformance/kit/back-end/running-device.ts";
import type { Ring } from "../../conformance/kit/back-end/ring.ts";

const { Getattr, Lookup, Open, Opendir, Read, Readdir, Release, Releasedir } = FuseOpcode;
export const FUSE_IN_BYTES = 40;
export const FUSE_OUT_BYTES = 16;
export const ROOT = 1n;
const ATTR_OUT_BYTES = 104;
const ENTRY_OUT_BYTES = 128;
const OPEN_OUT_BYTES = 16;
const LIST_BYTES = 4096;
/** Type bits of a mode, and what they are for a regular file and a folder. */
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const MAX_DEPTH = 3;

/** A request of FUSE, and room for its reply. */
export interface FuseRequest {
  readonly opcode: number;
  readonly node?: bigint;
  readonly body?: Uint8Array;
  /** Bytes for the reply, its header included; 0: none is due. */
  readonly room?: number;
  /** The length in the header. Default: that of the request. */
  readonly length?: number;
}

export interface FuseAnswer {
  /** Number of bytes by the used ring. */
  readonly written: number;
  /** Number of bytes by the header of the reply. */
  readonly length: number;
  /** 0, or -errno. */
  readonly error: number;
  /** True if the reply has the number of the request. */
  readonly mine: boolean;
  readonly body: Buffer;
}

/** A request on its way. */
interface Pushed {
  /** The unique number of the request. */
  readonly mine: bigint;
  /** The room for the reply, as it is now. */
  readonly reply: () => Buffer;
}

/** A file or folder that was found. */
export interface Found {
  readonly node: bigint;
  readonly size: number;
  readonly kind: "file" | "folder" | "other";
}

let unique = 0x1000n;

/** Requests of FUSE on a device that runs. */
export class Fuse {
  readonly device: RunningDevice;
  readonly #t: KitPorts;

  constructor(t: KitPorts, device: RunningDevice) {
    this.#t = t;
    this.device = device;
  }

  /** Sends a request. */
  push(request: FuseRequest, on: Ring = this.device.ring): Pushed {
    const { opcode, node = ROOT, body = new Uint8Array(), room = FUSE_OUT_BYTES } = request;
    const { memory } = this.device;
    const mine = unique++;
    const bytes = Buffer.alloc(FUSE_IN_BYTES + body.length);
    bytes.writeUInt32LE(request.length ?? bytes.length, 0);
    bytes.writeUInt32LE(opcode, 4);
    bytes.writeBigUInt64LE(mine, 8);
    bytes.writeBigUInt64LE(node, 16);
    bytes.set(body, FUSE_IN_BYTES);
    const reply = room > 0 ? [memory.poisoned(Math.min(room, FUSE_OUT_BYTES))] : [];
    // As a kernel does it: the data has pages of its own.
    if (room > FUSE_OUT_BYTES) reply.push(memory.data(room - FUSE_OUT_BYTES));
    on.push([memory.holding(bytes)], reply);
    return { mine, reply: () => Buffer.concat(reply.map((part) => part.bytes)) };
  }

  /**
   * Sends a request and waits for its answer.
   *
   * @throws {CaseFailure} neither an answer nor a close
   */
  async attempt(request: FuseRequest, on: Ring = this.device.ring): Promise<FuseAnswer | "closed"> {
    const { mine, reply } = this.push(request, on);
    const done = await on.completion();
    if (done === undefined) {
      if (this.device.session.closed) return "closed";
      throw new CaseFailure(`opcode ${request.opcode}: neither an answer nor a close`, {
        expected: "an answer, or the end of the connection",
        actual: `nothing within ${this.#t.times.callMs} ms`,
      });
    }
    const got = reply();
    const whole = got.length >= FUSE_OUT_BYTES;
    // The answer repeats the number of the request.
    if (whole && got.readBigUInt64LE(8) === mine) this.#t.observe("data");
    return {
      written: done.length,
      length: whole ? got.readUInt32LE(0) : 0,
      error: whole ? got.readInt32LE(4) : 0,
      mine: whole && got.readBigUInt64LE(8) === mine,
      body: got.subarray(FUSE_OUT_BYTES, done.written),
    };
  }

  /**
   * Like {@link attempt}; the answer must come, with the number of the request.
   *
   * @throws {CaseFailure}
   */
  async ask(request: FuseRequest): Promise<FuseAnswer> {
    const answer = await this.attempt(request);
    if (answer !== "closed" && answer.mine) return answer;
    throw new CaseFailure(`opcode ${request.opcode}`, {
      expected: "the answer to this request",
      actual: answer === "closed" ? "the end of the connection" : "another answer",
    });
  }

  /**
   * Like {@link ask}; the answer must be a success.
   *
   * @throws {CaseFailure}
   */
  async expect(request: FuseRequest): Promise<Buffer> {
    const { error, body } = await this.ask(request);
    this.#t.expect(`error of opcode ${request.opcode}`, error, 0);
    return body;
  }

  async attributes(node: bigint): Promise<FuseAnswer> {
    const room = FUSE_OUT_BYTES + ATTR_OUT_BYTES;
    return this.ask({ opcode: Getattr, node, body: new Uint8Array(16), room });
  }

  async lookup(name: string, node = ROOT): Promise<FuseAnswer> {
    const room = FUSE_OUT_BYTES + ENTRY_OUT_BYTES;
    return this.ask({ opcode: Lookup, node, body: Buffer.from(`${name}\0`), room });
  }

  /**
   * Returns the names in a folder that fit one reply.
   *
   * @throws {CaseFailure}
   */
  async names(node = ROOT): Promise<string[]> {
    const fh = await this.open(Opendir, node);
    const list = await this.read(Readdir, node, fh, 0n, LIST_BYTES);
    await this.release(Releasedir, node, fh);
    const names: string[] = [];
    for (let at = 0; at + 24 <= list.length;) {
      const length = list.readUInt32LE(at + 16);
      names.push(list.toString("utf8", at + 24, at + 24 + length));
      at += Math.ceil((24 + length) / 8) * 8;
    }
    return names.filter((name) => name !== "." && name !== "..");
  }

  async open(opcode: number, node: bigint): Promise<bigint> {
    const room = FUSE_OUT_BYTES + OPEN_OUT_BYTES;
    const body = await this.expect({ opcode, node, body: new Uint8Array(8), room });
    return body.readBigUInt64LE(0);
  }

  async read(
    opcode: number,
    node: bigint,
    fh: bigint,
    offset: bigint,
    size: number,
  ): Promise<Buffer> {
    const body = Buffer.alloc(40);
    body.writeBigUInt64LE(fh, 0);
    body.writeBigUInt64LE(offset, 8);
    body.writeUInt32LE(size, 16);
    return this.expect({ opcode, node, body, room: FUSE_OUT_BYTES + size });
  }

  async release(opcode: number, node: bigint, fh: bigint): Promise<void> {
    const body = Buffer.alloc(24);
    body.writeBigUInt64LE(fh, 0);
    await this.expect({ opcode, node, body });
  }

  /**
   * A part of a file, with a handle of its own.
   *
   * @throws {CaseFailure}
   */
  async content(node: bigint, offset: number, size: number): Promise<Buffer> {
    const fh = await this.open(Open, node);
    const bytes = await this.read(Read, node, fh, BigInt(offset), size);
    await this.release(Release, node, fh);
    return bytes;
  }

  /** A file that is not empty, in this folder or further down; undefined if none is near. */
  async findFile(node = ROOT, depth = 0): Promise<Found | undefined> {
    if (depth > MAX_DEPTH) return undefined;
    for (const name of await this.names(node)) {
      const { error, body } = await this.lookup(name, node);
      if (error !== 0) continue;
      const found = entryOf(body);
      if (found.kind === "file" && found.size > 1) return found;
      const inside =
        found.kind === "folder" ? await this.findFile(found.node, depth + 1) : undefined;
      if (inside) return inside;
    }
    return undefined;
  }
}

function entryOf(body: Buffer): Found {
  const type = body.readUInt32LE(100) & S_IFMT;
  return {
    node: body.readBigUInt64LE(0),
    size: Number(body.readBigUInt64LE(48)),
    kind: type === S_IFREG ? "file" : type === S_IFDIR ? "folder" : "other",
  };
}

/**
 * A file system that runs and was greeted with INIT.
 *
 * @throws {CaseFailure}
 */
export async function fuseOf(t: CheckContext, options: BringUpOptions = {}): Promise<Fuse> {
  const device = await t.bringUp(options);
  await device.request();
  return new Fuse(t, device);
}
