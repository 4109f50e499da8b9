/**
 * A crypto device (VIRTIO 5.9), back-end side: symmetric cipher sessions by requests of the
 * front-end, and data queues that use them.
 */
export { CipherSessions } from "./device/sessions.ts";
export { CryptoDevice } from "./device/device.ts";
export * from "./layout.ts";
export * from "./type.ts";
