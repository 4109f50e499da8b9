import type { RunningQueue } from "../../../src/core/runtime/index.ts";
import type { Device } from "../../../src/endpoints/backend/index.ts";
import { fsType } from "../../../src/endpoints/devices/fs/type.ts";
import { initReply, replyHeader, requestHeader } from "../../../src/endpoints/devices/fs/layout.ts";
import { FuseOpcode } from "../../../src/endpoints/devices/fs/index.ts";
import { encodeStruct, viewOf } from "../../../src/endpoints/devices/fs/wire.ts";
import {
  type ChainCursor,
  copyIn,
  copyOut,
  createChainCursor,
} from "../../../src/core/virtqueue/index.ts";

/** What a scripted device answers to one request. */
export interface Script {
  /** Behind the header. */
  readonly body?: Uint8Array;
  readonly error?: number;
  /** In the header; default: what is right. */
  readonly len?: number;
  readonly unique?: bigint;
  /** What the used ring says; default: what was written. */
  readonly used?: number;
  /** Never completes the request. */
  readonly silent?: true;
}

/** A file system device that answers INIT properly, and all else by its script. */
export class ScriptedFs implements Device {
  readonly type = fsType;
  readonly features = 0n;
  readonly maxQueues = 2;
  readonly maxQueueSize = 64;
  /** Opcodes that came, in order. */
  readonly seen: number[] = [];
  readonly #script: (opcode: number, args: Uint8Array) => Script;
  readonly #chain: ChainCursor = createChainCursor();

  constructor(script: (opcode: number, args: Uint8Array) => Script) {
    this.#script = script;
  }

  process({ queue }: RunningQueue): void {
    const chain = this.#chain;
    while (queue.next(chain)) {
      const request = new Uint8Array(chain.readableBytes);
      copyOut(chain, 0, request, request.length);
      const { opcode, unique } = requestHeader.read(viewOf(request), 0, true);
      this.seen.push(opcode);
      const script = this.#scriptOf(opcode, request.subarray(requestHeader.size));
      if (script.silent) continue;
      const { body = new Uint8Array(), error = 0 } = script;
      const len = script.len ?? replyHeader.size + body.length;
      const header = { len, error, unique: script.unique ?? unique };
      const reply = Buffer.concat([encodeStruct(replyHeader, header), body]);
      const written = Math.min(reply.length, chain.writableBytes);
      copyIn(chain, 0, reply, 0, written);
      queue.complete(chain.id, script.used ?? written);
    }
  }

  #scriptOf(opcode: number, args: Uint8Array): Script {
    const script = this.#script(opcode, args);
    if (opcode !== FuseOpcode.Init || Object.keys(script).length > 0) return script;
    return { body: initBody({}) };
  }
}

/** An INIT reply. */
export function initBody(change: { major?: number; minor?: number; flags?: number }): Uint8Array {
  return encodeStruct(initReply, {
    major: 7,
    minor: 38,
    maxReadahead: 0,
    flags: 0,
    maxBackground: 0,
    congestionThreshold: 0,
    maxWrite: 4096,
    timeGran: 1,
    maxPages: 0,
    mapAlignment: 0,
    flags2: 0,
    ...change,
  });
}
