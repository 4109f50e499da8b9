/**
 * devices/rng: the entropy device type (VIRTIO 5.4). `device/` delivers random bytes to a driver,
 * `driver/` reads them from a back-end.
 */
export * from "./device/budget.ts";
export * from "./device/device.ts";
export * from "./driver/driver.ts";
export * from "./type.ts";
