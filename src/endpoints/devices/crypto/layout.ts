/**
 * The crypto device's numbers and request layout, VIRTIO 5.9. A request on a data queue:
 *
 * | offset:size | field | |
 * | --- | --- | --- |
 * | 0:4 | opcode: service << 8, or-ed with the operation | readable |
 * | 8:8 | session_id | |
 * | 24:4 | iv_len, bytes | of a plain cipher operation |
 * | 28:4 | src_data_len | |
 * | 32:4 | dst_data_len | |
 * | 64:4 | op_type | 1: plain cipher |
 * | 72 | the initialisation vector, then the source data | |
 * | ... | the destination data | writable |
 * | last:1 | status | writable |
 */
export const CRYPTO_HEADER_BYTES = 72;

/** Op codes, service << 8 included. */
export const CryptoOp = {
  CipherEncrypt: 0x000,
  CipherDecrypt: 0x001,
  CipherCreateSession: 0x002,
} as const;

export const CryptoStatus = {
  Ok: 0,
  Error: 1,
  BadMessage: 2,
  NotSupported: 3,
  InvalidSession: 4,
} as const;

/** The operations of a request or a session. */
export const SymmetricOperation = { Cipher: 1, Chaining: 2 } as const;

export const CipherDirection = { Encrypt: 1, Decrypt: 2 } as const;

/** The ciphers that this device implements. */
export const CipherAlgorithm = { AesEcb: 2, AesCbc: 3, AesCtr: 4 } as const;
