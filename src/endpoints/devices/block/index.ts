/**
 * devices/block: the block device type (VIRTIO 5.2), both sides of it. `layout.ts` and `config.ts`
 * are shared; `driver.ts` and `queue.ts` belong to the client, `device.ts` to the back-end.
 */
export * from "./config.ts";
export * from "./device/device.ts";
export * from "./driver/driver.ts";
export * from "./layout.ts";
export * from "./driver/queue.ts";
export * from "./driver/slots.ts";
export * from "./type.ts";
