/**
 * devices/net: the network device type (VIRTIO 5.1). `layout.ts` is what both sides share; `driver/`
 * belongs to the client, `device/` to the back-end. What is not virtio is in `netstack`.
 */
export * from "../../netstack/build-dhcp.ts";
export * from "../../netstack/build-frame.ts";
export * from "../../netstack/build-ipv4.ts";
export { NET_CONTROL_FEATURES, ReceiveMode } from "./control.ts";
export * from "../../netstack/describe-frame.ts";
export * from "./device/counters.ts";
export * from "./device/device.ts";
export * from "./device/service.ts";
export { NetSinkDevice } from "./device/sink.ts";
export * from "../../netstack/dhcp.ts";
export * from "./driver/driver.ts";
export { type DriverControl, type NetConfig, readNetConfig } from "./driver/control.ts";
export * from "../../netstack/ethernet.ts";
export * from "../../netstack/fragments.ts";
export * from "../../netstack/frame-source.ts";
export * from "./layout.ts";
export * from "../../netstack/pcap.ts";
export * from "../../netstack/responder.ts";
export * from "../../netstack/station.ts";
export * from "./type.ts";
