import type { Mutant } from "../mutant.ts";
import { ack } from "./ack.ts";
import { blk } from "./blk.ts";
import { clean } from "./clean.ts";
import { config } from "./config.ts";
import { fs } from "./fs.ts";
import { net } from "./net.ts";
import { chan } from "./chan.ts";
import { status } from "./status.ts";
import { devstate } from "./devstate.ts";
import { conn } from "./conn.ts";
import { fd } from "./fd.ts";
import { features } from "./features.ts";
import { framing } from "./framing.ts";
import { fuzz } from "./fuzz.ts";
import { header } from "./header.ts";
import { hostile } from "./hostile.ts";
import { inband } from "./inband.ts";
import { inflight } from "./inflight.ts";
import { iotlb } from "./iotlb.ts";
import { log } from "./log.ts";
import { enable } from "./enable.ts";
import { mem } from "./mem.ts";
import { mq } from "./mq.ts";
import { reset } from "./reset.ts";
import { rng } from "./rng.ts";
import { shm } from "./shm.ts";
import { slot } from "./slot.ts";
import { event } from "./event.ts";
import { packed } from "./packed.ts";
import { split } from "./split.ts";
import { start } from "./start.ts";
import { stop } from "./stop.ts";
import { vring } from "./vring.ts";
import { prog } from "./prog.ts";
import { proto } from "./proto.ts";

/** By the check that must catch it. */
export const mutants: Readonly<Record<string, Mutant>> = {
  ...header,
  ...framing,
  ...features,
  ...proto,
  ...ack,
  ...mem,
  ...slot,
  ...vring,
  ...enable,
  ...stop,
  ...start,
  ...mq,
  ...reset,
  ...split,
  ...event,
  ...packed,
  ...hostile,
  ...inflight,
  ...log,
  ...iotlb,
  ...blk,
  ...fuzz,
  ...config,
  ...net,
  ...fs,
  ...rng,
  ...chan,
  ...inband,
  ...clean,
  ...status,
  ...shm,
  ...devstate,
  ...conn,
  ...fd,
  ...prog,
};
