import { createCipheriv, createDecipheriv } from "node:crypto";
import { UsageError } from "../../../../core/base/index.ts";
import type { CryptoSessions } from "../../../backend/index.ts";
import type { CryptoSession } from "../../../../core/protocol/index.ts";
import { CipherAlgorithm, CipherDirection, CryptoOp, SymmetricOperation } from "../layout.ts";

/** Sessions that one front-end may have open. */
const MAX_SESSIONS = 4096;
const AES_BLOCK = 16;

interface Mode {
  /** `createCipheriv`'s name behind `aes-<bits>-`. */
  readonly name: "ecb" | "cbc" | "ctr";
  readonly ivBytes: number;
  readonly wholeBlocks: boolean;
}

const modes: Readonly<Record<number, Mode>> = {
  [CipherAlgorithm.AesEcb]: { name: "ecb", ivBytes: 0, wholeBlocks: true },
  [CipherAlgorithm.AesCbc]: { name: "cbc", ivBytes: AES_BLOCK, wholeBlocks: true },
  [CipherAlgorithm.AesCtr]: { name: "ctr", ivBytes: AES_BLOCK, wholeBlocks: false },
};

interface CipherSession {
  readonly mode: Mode;
  readonly key: Uint8Array;
  readonly encrypts: boolean;
}

/**
 * Symmetric cipher sessions (AES in ECB, CBC and CTR mode), carried out by `node:crypto`.
 *
 * @example
 * ```ts
 * import { CipherAlgorithm, CipherSessions } from "vhost-user/devices/crypto";
 *
 * const sessions = new CipherSessions();
 * console.log(sessions.size, CipherAlgorithm);
 * ```
 */
export class CipherSessions implements CryptoSessions {
  readonly #sessions = new Map<bigint, CipherSession>();
  #nextId = 0n;

  /** Number of open sessions. */
  get size(): number {
    return this.#sessions.size;
  }

  /** @throws {UsageError} an operation, algorithm, key or direction that is not served */
  create({ opCode, parameters }: CryptoSession): bigint {
    if (opCode !== BigInt(CryptoOp.CipherCreateSession) || parameters.kind !== "symmetric") {
      throw new UsageError(
        `crypto session: op code ${opCode} is not supported; use a cipher session (2)`,
      );
    }
    const { cipherAlgorithm, operationType, direction, cipherKey } = parameters;
    const mode = modes[cipherAlgorithm];
    if (operationType !== SymmetricOperation.Cipher || mode === undefined) {
      throw new UsageError(
        `crypto session: operation ${operationType} with algorithm ${cipherAlgorithm} is not supported; ` +
          `use a plain cipher (operation 1) with AES-ECB, CBC or CTR (2, 3, 4)`,
      );
    }
    if (![16, 24, 32].includes(cipherKey.length)) {
      throw new UsageError(
        `crypto session: the key must have 16, 24 or 32 bytes, not ${cipherKey.length}`,
      );
    }
    if (direction !== CipherDirection.Encrypt && direction !== CipherDirection.Decrypt) {
      throw new UsageError(
        `crypto session: direction must be 1 (encrypt) or 2 (decrypt), not ${direction}`,
      );
    }
    if (this.#sessions.size >= MAX_SESSIONS) {
      throw new UsageError(
        `crypto session: ${MAX_SESSIONS} sessions are open, which is the limit; have the front-end close some`,
      );
    }
    const id = this.#nextId;
    this.#nextId += 1n;
    const encrypts = direction === CipherDirection.Encrypt;
    this.#sessions.set(id, { mode, key: cipherKey, encrypts });
    return id;
  }

  close(id: bigint): boolean {
    return this.#sessions.delete(id);
  }

  /** Closes all of them. */
  clear(): void {
    this.#sessions.clear();
  }

  /** Returns whether there is such a session, for this direction. */
  has(id: bigint, encrypts: boolean): boolean {
    return this.#sessions.get(id)?.encrypts === encrypts;
  }

  /**
   * The transformed data, as long as `source`; undefined if its length or the vector's is wrong.
   */
  run(id: bigint, iv: Uint8Array, source: Uint8Array): Uint8Array | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    const { mode, key, encrypts } = session;
    if (iv.length !== mode.ivBytes) return undefined;
    if (mode.wholeBlocks && source.length % AES_BLOCK !== 0) return undefined;
    const make = encrypts ? createCipheriv : createDecipheriv;
    const vector = mode.ivBytes === 0 ? null : iv;
    const cipher = make(`aes-${key.length * 8}-${mode.name}`, key, vector).setAutoPadding(false);
    return Buffer.concat([cipher.update(source), cipher.final()]);
  }
}
