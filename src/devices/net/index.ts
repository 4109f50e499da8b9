/**
 * devices/net: the network device type (VIRTIO 5.1). `layout.ts` is what driver and device share;
 * `driver.ts` and `driver-*.ts` belong to the client, `device.ts` and `receive-queue.ts` to the
 * back-end; `ethernet.ts`, `dhcp.ts` and `describe-frame.ts` read the frames that pass.
 */
export * from "./describe-frame.ts";
export * from "./device.ts";
export * from "./dhcp.ts";
export * from "./driver.ts";
export * from "./ethernet.ts";
export * from "./layout.ts";
