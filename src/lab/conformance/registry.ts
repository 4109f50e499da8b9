import { kits } from "../kits/registry.ts";
import type { Check, FrontendCheck } from "./kit/check.ts";
import { ack } from "./checks/ack.ts";
import { config } from "./checks/config.ts";
import { chan } from "./checks/chan.ts";
import { clean } from "./checks/clean.ts";
import { shm } from "./checks/shm.ts";
import { status } from "./checks/status.ts";
import { devstate } from "./checks/devstate.ts";
import { conn } from "./checks/conn.ts";
import { fd } from "./checks/fd.ts";
import { fe } from "./checks/fe.ts";
import { feChannel } from "./checks/fe-channel.ts";
import { feConnection } from "./checks/fe-connection.ts";
import { feConfig } from "./checks/fe-config.ts";
import { feReactions } from "./checks/fe-reactions.ts";
import { feStarts } from "./checks/fe-starts.ts";
import { features } from "./checks/features.ts";
import { featuresLog } from "./checks/features-log.ts";
import { framing } from "./checks/framing.ts";
import { fuzz } from "./checks/fuzz.ts";
import { header } from "./checks/header.ts";
import { hostile } from "./checks/hostile.ts";
import { inflight } from "./checks/inflight.ts";
import { inflightIndices } from "./checks/inflight-indices.ts";
import { inband } from "./checks/inband.ts";
import { iotlb } from "./checks/iotlb.ts";
import { iotlbMessages } from "./checks/iotlb-messages.ts";
import { log } from "./checks/log.ts";
import { enable } from "./checks/enable.ts";
import { mem } from "./checks/mem.ts";
import { memLarge } from "./checks/mem-large.ts";
import { mq } from "./checks/mq.ts";
import { reset } from "./checks/reset.ts";
import { slot } from "./checks/slot.ts";
import { event } from "./checks/event.ts";
import { packed } from "./checks/packed.ts";
import { split } from "./checks/split.ts";
import { start } from "./checks/start.ts";
import { stop } from "./checks/stop.ts";
import { runningVring } from "./checks/vring-running.ts";
import { vring } from "./checks/vring.ts";
import { prog } from "./checks/prog.ts";
import { proto } from "./checks/proto.ts";

/** Every check of a back-end, in the order in which they are made. */
export const checks: readonly Check[] = [
  clean,
  header,
  framing,
  features,
  featuresLog,
  proto,
  ack,
  mem,
  memLarge,
  slot,
  vring,
  runningVring,
  enable,
  stop,
  start,
  mq,
  reset,
  split,
  event,
  packed,
  hostile,
  fuzz,
  inflight,
  inflightIndices,
  log,
  iotlbMessages,
  iotlb,
  ...kits.map(({ checks: ofType = [] }) => ofType),
  config,
  chan,
  inband,
  status,
  shm,
  devstate,
  conn,
  fd,
  prog,
].flat();

/** Every check of a front-end. */
export const frontendChecks: readonly FrontendCheck[] = [
  ...feConnection,
  ...fe,
  ...feReactions,
  ...feChannel,
  ...feConfig,
  ...feStarts,
];
