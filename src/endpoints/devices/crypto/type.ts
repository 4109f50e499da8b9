import type { DeviceType } from "../../../core/protocol/index.ts";

/** The name of the crypto device and its feature bits (VIRTIO 5.9.3). */
export const cryptoType: DeviceType = {
  name: "crypto",
  features: [
    [0, "VIRTIO_CRYPTO_F_REVISION_1", "the second revision of the request formats"],
    [1, "VIRTIO_CRYPTO_F_CIPHER_STATELESS_MODE", "ciphers without a session"],
    [2, "VIRTIO_CRYPTO_F_HASH_STATELESS_MODE", "hashes without a session"],
    [3, "VIRTIO_CRYPTO_F_MAC_STATELESS_MODE", "message authentication without a session"],
    [4, "VIRTIO_CRYPTO_F_AEAD_STATELESS_MODE", "authenticated encryption without a session"],
    [5, "VIRTIO_CRYPTO_F_AKCIPHER_STATELESS_MODE", "asymmetric ciphers without a session"],
  ],
};
