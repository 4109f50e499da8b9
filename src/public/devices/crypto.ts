/**
 * `vhost-user/devices/crypto`: crypto devices (VIRTIO 5.9), the back-end's side.
 *
 * {@link CryptoDevice} serves symmetric ciphers; {@link CipherSessions} holds the keys.
 */
export { cryptoKind } from "../../endpoints/devices/crypto/kind.ts";
export {
  CipherAlgorithm,
  CipherDirection,
  CipherSessions,
  CryptoDevice,
  CryptoOp,
  CryptoStatus,
  SymmetricOperation,
} from "../../endpoints/devices/crypto/index.ts";
