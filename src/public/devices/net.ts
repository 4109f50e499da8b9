/**
 * `vhost-user/devices/net`: network devices (VIRTIO 5.1).
 *
 * - {@link NetDriver} sends and receives frames
 * - {@link NetDevice} serves a network card; {@link respondingDevice} puts a station behind it that
 *   answers ARP, ping, DHCP and UDP, {@link echoDevice} and {@link sinkDevice} return or discard frames
 * - {@link NetStation} is such a station on the client's side
 * - {@link PcapWriter} and {@link readPcap} keep frames in files
 */
export { netKind } from "../../endpoints/devices/net/kind.ts";
export {
  type DhcpLease,
  type DriverControl,
  describeFrame,
  echoDevice,
  ethernetFrame,
  EtherType,
  formatMac,
  type FrameTap,
  joinedDevices,
  NET_CONTROL_FEATURES,
  NET_DRIVER_FEATURES,
  type NetConfig,
  type NetCounters,
  NetDevice,
  type NetDeviceOptions,
  NetDriver,
  type NetDriverCounters,
  type NetDriverOptions,
  NetFeature,
  NetHeaderFlag,
  NetResponder,
  type NetServiceOptions,
  NetSinkDevice,
  NetStation,
  type NetTransmitCounters,
  parseMac,
  PcapWriter,
  readNetConfig,
  readPcap,
  ReceiveMode,
  respondingDevice,
  type ResponderOptions,
  sinkDevice,
  type Station,
  testFrame,
} from "../../endpoints/devices/net/index.ts";
