/**
 * runtime: who runs a ring and when: on the event loop, woken by descriptors or by polling. Imports
 * virtqueue.
 */
export * from "./device-runner.ts";
export * from "./driver-runner.ts";
