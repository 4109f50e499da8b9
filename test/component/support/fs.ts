import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { SharedFolder } from "../../../src/endpoints/devices/fs/index.ts";
import { FsDevice, type FsDeviceOptions } from "../../../src/endpoints/devices/fs/index.ts";
import {
  entry,
  type FuseEntry,
  FuseInitFlag,
  initRequest,
  openReply,
  openRequest,
  readRequest,
  releaseRequest,
  requestHeader,
} from "../../../src/endpoints/devices/fs/layout.ts";
import { FuseOpcode } from "../../../src/endpoints/devices/fs/index.ts";
import { encodeStruct, viewOf } from "../../../src/endpoints/devices/fs/wire.ts";
import { type DeviceQueue, SegmentList } from "../../../src/core/virtqueue/index.ts";
import { runningQueue } from "./block.ts";
import { openRings } from "./rings.ts";
import { capability } from "../../support/capability.ts";

/** Not written by the device. */
export const POISON = 0xee;
const REQUEST_BYTES = 1 << 17;
const REPLY_BYTES = 2 << 20;

export interface Call {
  readonly opcode: number;
  readonly nodeid?: bigint;
  readonly args?: Uint8Array;
  /** Writable bytes, with those for the header. Default 4096. */
  readonly writable?: number;
  /** In the header; default: what is right. */
  readonly len?: number;
  readonly unique?: bigint;
  readonly little?: boolean;
  /** The readable bytes as they are. */
  readonly raw?: Uint8Array;
  /** How bytes are cut into descriptors; default: one each. */
  readonly readableCuts?: readonly number[];
  readonly writableCuts?: readonly number[];
}

export interface Answer {
  /** As the used ring has it. */
  readonly used: number;
  /** From the header: -errno or 0. */
  readonly error: number;
  readonly body: Uint8Array;
}

export interface FsGuestOptions extends Omit<FsDeviceOptions, "folder"> {
  readonly folder: SharedFolder;
  readonly packed?: boolean;
}

/** Clean-ups of a test run in the order in which they were asked for: a folder's are last here. */
const guests = new WeakMap<SharedFolder, FsGuest[]>();

/** A folder that is shared; closed after the test, its guests before it. */
export function shareFolder(
  t: TestContext,
  path: string,
  options: { maxDescriptors?: number } = {},
): SharedFolder {
  const folder = SharedFolder.open(path, options);
  guests.set(folder, []);
  t.after(() => {
    for (const guest of guests.get(folder) ?? []) guest.close();
    assert.equal(folder.descriptors, 0, "a session kept a descriptor");
    folder.close();
  });
  return folder;
}

/** A driver that sends given requests, and the device, on one ring in this process. */
export class FsGuest {
  readonly device: FsDevice;
  readonly queue: DeviceQueue;
  readonly #rings: ReturnType<typeof openRings>;
  readonly #request;
  readonly #reply;
  #unique = 1n;

  constructor({ packed = false, ...options }: FsGuestOptions) {
    this.#rings = openRings({ size: 64, bytes: 4 << 20, indirect: true, packed });
    const { memory, device } = this.#rings;
    this.queue = device;
    this.device = new FsDevice(options);
    guests.get(options.folder)?.push(this);
    this.#request = memory.allocate(REQUEST_BYTES);
    this.#reply = memory.allocate(REPLY_BYTES);
  }

  /** Idempotent. */
  close(): void {
    capability(this.device, "lifecycle").close?.();
    this.#rings.table.close();
    this.#rings.memory.close();
  }

  /** Puts a request on the ring and has it served; undefined: the ring broke. */
  tryCall(call: Call): Answer | undefined {
    const { args = new Uint8Array(), writable = 4096, little = true } = call;
    this.#unique += 2n;
    const unique = call.unique ?? this.#unique;
    const header = encodeStruct(
      requestHeader,
      {
        len: call.len ?? requestHeader.size + args.length,
        opcode: call.opcode,
        unique,
        nodeid: call.nodeid ?? 0n,
        uid: 0,
        gid: 0,
        pid: 1,
      },
      little,
    );
    const request = call.raw ?? Buffer.concat([header, args]);
    this.#request.bytes.set(request);
    this.#reply.bytes.fill(POISON, 0, writable + 64);
    const segments = new SegmentList(64);
    const cut = (start: number, lengths: readonly number[]): void => {
      for (const length of lengths) {
        if (length > 0) segments.push(start, length);
        start += length;
      }
    };
    cut(this.#request.guestAddress, call.readableCuts ?? [request.length]);
    const readable = segments.count;
    cut(this.#reply.guestAddress, call.writableCuts ?? [writable]);
    const { driver, device } = this.#rings;
    assert.ok(driver.add(segments, readable, 0), "the ring is full");
    driver.publish();
    this.device.process(runningQueue(device));
    device.publish();
    let used = -1;
    driver.poll((_, written) => (used = written), 1);
    if (device.broken !== undefined) return undefined;
    assert.ok(used >= 0, "the request did not complete");
    const reply = this.#reply.bytes.slice(0, writable + 64);
    // Not a byte behind what it says that it wrote.
    assert.ok(reply.subarray(used).every((byte) => byte === POISON));
    if (used === 0) return { used, error: 0, body: new Uint8Array() };
    const view = viewOf(reply);
    assert.equal(view.getUint32(0, little), used, "the length of the reply is what was written");
    if (requestHeader.size <= request.length && call.raw === undefined) {
      assert.equal(view.getBigUint64(8, little), unique);
    }
    return { used, error: view.getInt32(4, little), body: reply.slice(16, used) };
  }

  call(call: Call): Answer {
    const answer = this.tryCall(call);
    assert.ok(answer, `the ring broke: ${this.queue.broken?.reason}`);
    return answer;
  }

  /** Begins a session. */
  init({ major = 7, minor = 38, flags = FuseInitFlag.MaxPages, little = true } = {}): Answer {
    const args = encodeStruct(
      initRequest,
      { major, minor, maxReadahead: 1 << 17, flags, flags2: 0 },
      little,
    );
    return this.call({ opcode: FuseOpcode.Init, args, little });
  }

  /** `-errno` where the name is not found. */
  lookup(nodeid: bigint, name: string | Uint8Array): FuseEntry | number {
    const args = Buffer.concat([Buffer.from(name as string), Uint8Array.of(0)]);
    const { error, body } = this.call({ opcode: FuseOpcode.Lookup, nodeid, args });
    return error === 0 ? entry.read(viewOf(body), 0, true) : error;
  }

  /** The number of a path's node. */
  node(...names: readonly string[]): bigint {
    let nodeid = 1n;
    for (const name of names) {
      const found = this.lookup(nodeid, name);
      assert.ok(typeof found !== "number", `${name} is not found`);
      nodeid = found.nodeid;
    }
    return nodeid;
  }

  /** A handle, or `-errno`. */
  open(nodeid: bigint, { folder = false, flags = 0 } = {}): bigint {
    const opcode = folder ? FuseOpcode.Opendir : FuseOpcode.Open;
    const args = encodeStruct(openRequest, { flags });
    const { error, body } = this.call({ opcode, nodeid, args });
    return error === 0 ? openReply.read(viewOf(body), 0, true).fh : BigInt(error);
  }

  read(nodeid: bigint, fh: bigint, offset: bigint, size: number, more: Partial<Call> = {}): Answer {
    const args = encodeStruct(readRequest, { fh, offset, size });
    return this.call({ opcode: FuseOpcode.Read, nodeid, args, writable: 16 + size, ...more });
  }

  /** -errno or 0. */
  release(nodeid: bigint, fh: bigint, folder = false): number {
    const opcode = folder ? FuseOpcode.Releasedir : FuseOpcode.Release;
    return this.call({ opcode, nodeid, args: encodeStruct(releaseRequest, { fh }) }).error;
  }

  forget(nodeid: bigint, nlookup: bigint): Answer {
    const args = new Uint8Array(8);
    viewOf(args).setBigUint64(0, nlookup, true);
    return this.call({ opcode: FuseOpcode.Forget, nodeid, args, writable: 0 });
  }
}
