import { counted } from "../../base/index.ts";
import { expectSize, fieldError } from "../codec.ts";
import type { Codec } from "../codec.ts";
import { hex, u32, u64, u8, viewOf } from "../fields.ts";
import type { Field } from "../fields.ts";
import { formatLayout, readLayout, writeLayout } from "../struct.ts";
import type { Layout } from "../struct.ts";

/**
 * A crypto session to create, and in the reply the created one (specification: request
 * CREATE_CRYPTO_SESSION; the layout is QEMU's `VhostUserCryptoSession`). The union's form follows
 * from the service in the op code: 4 is asymmetric, all other services are symmetric.
 *
 * | offset | size | name                          |
 * | ------ | ---- | ----------------------------- |
 * | 0      | 8    | opCode: service << 8, or-ed with the operation |
 * | 8      | 1056 | parameters, one of two forms  |
 * | 1064   | 8    | sessionId, signed             |
 *
 * QEMU up to 7.2 knows symmetric sessions only: its 632 bytes have the session id at 0 instead of
 * the op code, and end behind the keys.
 */
export interface CryptoSession {
  readonly opCode: bigint;
  readonly parameters: SymmetricSession | AsymmetricSession;
  /** Zero or positive: created; negative: refused. */
  readonly sessionId: bigint;
  /** Selects the form of 632 bytes. A reply has the form of its request. */
  readonly short?: true;
}

/**
 * | offset | size | name            | | offset | size | name                       |
 * | ------ | ---- | --------------- |-| ------ | ---- | -------------------------- |
 * | 8      | 4    | cipherAlgorithm | | 32     | 1    | operationType              |
 * | 12     | 4    | cipher key size | | 33     | 1    | direction                  |
 * | 16     | 4    | hashAlgorithm   | | 34     | 1    | hashMode                   |
 * | 20     | 4    | resultSize      | | 35     | 1    | chainOrder                 |
 * | 24     | 4    | auth key size   | | 36     | 20   | padding, 2 stale pointers  |
 * | 28     | 4    | aadSize         | | 56     | 64   | cipherKey                  |
 * |        |      |                 | | 120    | 512  | authKey                    |
 */
export interface SymmetricSession {
  readonly kind: "symmetric";
  readonly cipherAlgorithm: number;
  readonly hashAlgorithm: number;
  readonly resultSize: number;
  readonly aadSize: number;
  readonly operationType: number;
  readonly direction: number;
  readonly hashMode: number;
  readonly chainOrder: number;
  readonly cipherKey: Uint8Array;
  readonly authKey: Uint8Array;
}

/**
 * | offset | size | name      | | offset | size | name             |
 * | ------ | ---- | --------- |-| ------ | ---- | ---------------- |
 * | 8      | 4    | algorithm | | 20     | 12   | padding, stale pointer |
 * | 12     | 4    | keyType   | | 32     | 4    | paddingAlgorithm |
 * | 16     | 4    | key size  | | 36     | 4    | hashAlgorithm    |
 * |        |      |           | | 40     | 1024 | key              |
 */
export interface AsymmetricSession {
  readonly kind: "asymmetric";
  readonly algorithm: number;
  readonly keyType: number;
  readonly paddingAlgorithm: number;
  readonly hashAlgorithm: number;
  readonly key: Uint8Array;
}

const NAME = "crypto session";
const SIZE = 1072;
const SHORT_SIZE = 632;
/** VIRTIO_CRYPTO_CIPHER_CREATE_SESSION, which the short form implies. */
const CIPHER_CREATE_SESSION = 2n;
const AKCIPHER = 4n;

interface KeyPlace {
  readonly name: string;
  readonly length: Field<number>;
  readonly offset: number;
  readonly max: number;
}
const cipherKey: KeyPlace = { name: "cipherKey", length: u32(12), offset: 56, max: 64 };
const authKey: KeyPlace = { name: "authKey", length: u32(24), offset: 120, max: 512 };
const asymmetricKey: KeyPlace = { name: "key", length: u32(16), offset: 40, max: 1024 };

const symmetricLayout: Layout<Omit<SymmetricSession, "kind" | "cipherKey" | "authKey">> = {
  cipherAlgorithm: u32(8),
  hashAlgorithm: u32(16),
  resultSize: u32(20),
  aadSize: u32(28),
  operationType: u8(32),
  direction: u8(33),
  hashMode: u8(34),
  chainOrder: u8(35),
};
const asymmetricLayout: Layout<Omit<AsymmetricSession, "kind" | "key">> = {
  algorithm: u32(8),
  keyType: u32(12),
  paddingAlgorithm: u32(32),
  hashAlgorithm: u32(36),
};

function readKey(place: KeyPlace, view: DataView, payload: Uint8Array): Uint8Array {
  const length = place.length.read(view, 0);
  if (length > place.max) {
    throw fieldError(NAME, `${place.name} size`, `at most ${place.max}`, String(length));
  }
  return payload.slice(place.offset, place.offset + length);
}

function writeKey(place: KeyPlace, view: DataView, bytes: Uint8Array, key: Uint8Array): void {
  if (key.byteLength > place.max) {
    throw new RangeError(
      `${place.name} has at most ${counted(place.max, "byte")}, not ${key.byteLength}`,
    );
  }
  place.length.write(view, 0, key.byteLength);
  bytes.set(key, place.offset);
}

function readSymmetric(view: DataView, payload: Uint8Array): SymmetricSession {
  return {
    kind: "symmetric",
    ...readLayout(symmetricLayout, view, 0),
    cipherKey: readKey(cipherKey, view, payload),
    authKey: readKey(authKey, view, payload),
  };
}

const isAsymmetric = (opCode: bigint): boolean => opCode >> 8n === AKCIPHER;

export const cryptoSession: Codec<CryptoSession> = {
  name: NAME,
  minSize: SHORT_SIZE,
  maxSize: SIZE,
  // Unused parts of the union, unused key bytes and pointers hold stale bytes of the sender.
  unspecified: [[8, 1056]],
  size: () => SIZE,
  encode({ opCode, parameters, sessionId, short }) {
    const bytes = new Uint8Array(short ? SHORT_SIZE : SIZE);
    const view = viewOf(bytes);
    if (!short) u64(0).write(view, 0, opCode);
    if (short && parameters.kind !== "symmetric") {
      throw new TypeError("the short form is for symmetric sessions only");
    }
    if (isAsymmetric(opCode) !== (parameters.kind === "asymmetric")) {
      throw new TypeError(`op code ${hex(opCode)} does not go with ${parameters.kind} parameters`);
    }
    if (parameters.kind === "asymmetric") {
      writeLayout(asymmetricLayout, view, 0, parameters);
      writeKey(asymmetricKey, view, bytes, parameters.key);
    } else {
      writeLayout(symmetricLayout, view, 0, parameters);
      writeKey(cipherKey, view, bytes, parameters.cipherKey);
      writeKey(authKey, view, bytes, parameters.authKey);
    }
    if (BigInt.asIntN(64, sessionId) !== sessionId) {
      throw new RangeError(`sessionId must be a signed 64-bit number, not ${sessionId}`);
    }
    view.setBigInt64(short ? 0 : 1064, sessionId, true);
    return bytes;
  },
  decode(payload) {
    const view = viewOf(payload);
    if (payload.length === SHORT_SIZE) {
      return {
        opCode: CIPHER_CREATE_SESSION,
        parameters: readSymmetric(view, payload),
        sessionId: view.getBigInt64(0, true),
        short: true,
      };
    }
    expectSize(NAME, payload, SIZE);
    const opCode = view.getBigUint64(0, true);
    const parameters: CryptoSession["parameters"] = isAsymmetric(opCode)
      ? {
          kind: "asymmetric",
          ...readLayout(asymmetricLayout, view, 0),
          key: readKey(asymmetricKey, view, payload),
        }
      : readSymmetric(view, payload);
    return { opCode, parameters, sessionId: view.getBigInt64(1064, true) };
  },
  // Key material stays out of logs: only its size is shown.
  describe({ opCode, parameters, sessionId }) {
    const text =
      parameters.kind === "asymmetric"
        ? `${formatLayout(asymmetricLayout, parameters)} keySize=${parameters.key.byteLength}`
        : `${formatLayout(symmetricLayout, parameters)} ` +
          `cipherKeySize=${parameters.cipherKey.byteLength} ` +
          `authKeySize=${parameters.authKey.byteLength}`;
    return `opCode=${hex(opCode)} session=${sessionId} ${parameters.kind} ${text}`;
  },
};
