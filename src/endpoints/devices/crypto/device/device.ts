import type { RunningQueue } from "../../../../core/runtime/index.ts";
import { type Device, type DeviceCapabilities, readOnlyConfig } from "../../../backend/index.ts";
import {
  canWrite,
  type ChainCursor,
  copyIn,
  copyOut,
  createChainCursor,
  type ServedQueue,
} from "../../../../core/virtqueue/index.ts";
import { encodeConfig } from "../../../../core/protocol/index.ts";
import { cryptoConfigLayout } from "../config.ts";
import { CipherSessions } from "./sessions.ts";
import {
  CRYPTO_HEADER_BYTES,
  CipherAlgorithm,
  CryptoOp,
  CryptoStatus,
  SymmetricOperation,
} from "../layout.ts";
import { cryptoType } from "../type.ts";
import type { DeviceType } from "../../../../core/protocol/index.ts";

const MAX_QUEUE_SIZE = 1024;
/** Bytes of data in one request. */
const MAX_DATA = 1 << 20;

/** Bytes of the longest cipher key. */
const MAX_KEY_BYTES = 64;

export interface CryptoDeviceOptions {
  /** Data queues. Default 1. */
  readonly queues?: number;
}

/**
 * A crypto device (VIRTIO 5.9) for symmetric ciphers. Sessions come by requests of the front-end
 * (CREATE_CRYPTO_SESSION), which keeps the control queue; all rings here are data queues.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { CryptoDevice } from "vhost-user/devices/crypto";
 *
 * const server = await BackendServer.listen("crypto.sock", {
 *   device: () => new CryptoDevice({ queues: 2 }),
 * });
 * server.close();
 * ```
 */
export class CryptoDevice implements Device {
  readonly type: DeviceType = cryptoType;
  readonly features = 0n;
  readonly maxQueues: number;
  readonly maxQueueSize = MAX_QUEUE_SIZE;
  readonly capabilities: DeviceCapabilities;
  readonly #sessions = new CipherSessions();
  readonly #chain: ChainCursor = createChainCursor();
  readonly #header = new Uint8Array(CRYPTO_HEADER_BYTES);
  readonly #view = new DataView(this.#header.buffer);

  constructor({ queues = 1 }: CryptoDeviceOptions = {}) {
    this.maxQueues = queues;
    const bytes = configuration(queues);
    this.capabilities = {
      config: readOnlyConfig(bytes.length, () => bytes),
      lifecycle: { reset: () => this.#sessions.clear(), close: () => this.#sessions.clear() },
      crypto: this.#sessions,
    };
  }

  /** Open cipher sessions. */
  get sessions(): number {
    return this.#sessions.size;
  }

  process({ queue }: RunningQueue): void {
    for (let budget = queue.size; budget > 0 && queue.next(this.#chain); budget -= 1) {
      this.#serve(queue, this.#chain);
    }
  }

  #serve(queue: ServedQueue, chain: ChainCursor): void {
    const room = chain.writableBytes - 1;
    if (room < 0) {
      queue.fail("a crypto request has no writable status byte", "5.9.7");
      return;
    }
    const { unreachable } = chain;
    if (unreachable !== undefined && !canWrite(chain, room, 1)) {
      queue.fail(unreachable.reason, unreachable.section);
      return;
    }
    const result = unreachable === undefined ? this.#run(chain, room) : CryptoStatus.Error;
    const data = typeof result === "number" ? undefined : result;
    if (data) copyIn(chain, 0, data, 0, data.length);
    const status = typeof result === "number" ? result : CryptoStatus.Ok;
    copyIn(chain, room, Uint8Array.of(status), 0, 1);
    queue.complete(chain.id, data?.length === room ? room + 1 : (data?.length ?? 0));
  }

  /** The destination data, or the status of the failure. */
  #run(chain: ChainCursor, room: number): Uint8Array | number {
    if (chain.readableBytes < CRYPTO_HEADER_BYTES) return CryptoStatus.BadMessage;
    copyOut(chain, 0, this.#header, CRYPTO_HEADER_BYTES);
    const view = this.#view;
    const operation = view.getUint32(0, true);
    const encrypts = operation === CryptoOp.CipherEncrypt;
    if (!encrypts && operation !== CryptoOp.CipherDecrypt) return CryptoStatus.NotSupported;
    if (view.getUint32(64, true) !== SymmetricOperation.Cipher) return CryptoStatus.NotSupported;
    const id = view.getBigUint64(8, true);
    if (!this.#sessions.has(id, encrypts)) return CryptoStatus.InvalidSession;
    const ivBytes = view.getUint32(24, true);
    const bytes = view.getUint32(28, true);
    const wanted = view.getUint32(32, true);
    const given = chain.readableBytes - CRYPTO_HEADER_BYTES;
    if (bytes > MAX_DATA || ivBytes + bytes > given || wanted > room || bytes > wanted) {
      return CryptoStatus.BadMessage;
    }
    const input = new Uint8Array(ivBytes + bytes);
    copyOut(chain, CRYPTO_HEADER_BYTES, input, input.length);
    const output = this.#sessions.run(id, input.subarray(0, ivBytes), input.subarray(ivBytes));
    return output ?? CryptoStatus.BadMessage;
  }
}

/** Ready, with the cipher service alone. QEMU has a configuration of its own and does not ask. */
function configuration(queues: number): Uint8Array {
  const ciphers = Object.values(CipherAlgorithm).reduce((mask, bit) => mask | (1 << bit), 0);
  return encodeConfig(cryptoConfigLayout, {
    status: 1,
    maxDataQueues: queues,
    cryptoServices: 1,
    cipherAlgoLow: ciphers,
    cipherAlgoHigh: 0,
    hashAlgo: 0,
    macAlgoLow: 0,
    macAlgoHigh: 0,
    aeadAlgo: 0,
    maxCipherKeyLength: MAX_KEY_BYTES,
    maxAuthKeyLength: 0,
    akcipherAlgo: 0,
    maxSize: BigInt(MAX_DATA),
  });
}
