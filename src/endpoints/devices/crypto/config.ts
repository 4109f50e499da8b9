import { configField, type ConfigLayout } from "../../../core/protocol/index.ts";

/** The configuration space of the crypto device, VIRTIO 5.9.4. */
export interface CryptoConfig {
  /** 1: the device is ready. */
  readonly status: number;
  readonly maxDataQueues: number;
  /** A mask of services, bit 0 for ciphers. */
  readonly cryptoServices: number;
  /** A mask by algorithm number, 32 bits in each word. */
  readonly cipherAlgoLow: number;
  readonly cipherAlgoHigh: number;
  readonly hashAlgo: number;
  readonly macAlgoLow: number;
  readonly macAlgoHigh: number;
  readonly aeadAlgo: number;
  /** Length in bytes. */
  readonly maxCipherKeyLength: number;
  readonly maxAuthKeyLength: number;
  readonly akcipherAlgo: number;
  /** Bytes of the largest request. */
  readonly maxSize: bigint;
}

export const cryptoConfigLayout: ConfigLayout<CryptoConfig> = {
  sizes: [56],
  fields: {
    status: configField.u32(0),
    maxDataQueues: configField.u32(4),
    cryptoServices: configField.u32(8),
    cipherAlgoLow: configField.u32(12),
    cipherAlgoHigh: configField.u32(16),
    hashAlgo: configField.u32(20),
    macAlgoLow: configField.u32(24),
    macAlgoHigh: configField.u32(28),
    aeadAlgo: configField.u32(32),
    maxCipherKeyLength: configField.u32(36),
    maxAuthKeyLength: configField.u32(40),
    akcipherAlgo: configField.u32(44),
    maxSize: configField.u64(48),
  },
};
