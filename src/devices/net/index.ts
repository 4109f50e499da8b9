/**
 * devices/net: the network device type (VIRTIO 5.1). `layout.ts` is what driver and device share;
 * `driver.ts` and `driver-*.ts` belong to the client, `device.ts` and `receive-queue.ts` to the
 * back-end, with `device-control.ts` and `receive-filter.ts` behind its control queue;
 * `ethernet.ts`, `dhcp.ts` and `describe-frame.ts` read the frames that pass, `build-*.ts` make some, `responder.ts` answers them, `pcap.ts` keeps them.
 */
export * from "./build-dhcp.ts";
export * from "./build-frame.ts";
export { NET_CONTROL_FEATURES, ReceiveMode } from "./control.ts";
export * from "./describe-frame.ts";
export * from "./device.ts";
export * from "./device-service.ts";
export { NetSinkDevice } from "./device-sink.ts";
export * from "./dhcp.ts";
export * from "./driver.ts";
export { type DriverControl, type NetConfig, readNetConfig } from "./driver-control.ts";
export * from "./ethernet.ts";
export * from "./frame-source.ts";
export * from "./layout.ts";
export * from "./pcap.ts";
export * from "./responder.ts";
export * from "./station.ts";
