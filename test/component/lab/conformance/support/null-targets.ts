import { HeaderFlag, requestSpec } from "../../../../../src/core/protocol/index.ts";
import { BlockDevice } from "../../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../../src/endpoints/storage/index.ts";
import { type Mutant, throughChannel, throughQueue } from "./mutant.ts";

/** Sizes of the fixed parts of replies whose length depends on the request. */
const NO_REPLY_CODEC = 8;
const QUEUES = 2;

/** A back-end that does nothing, in one of the ways in which that could be taken for something. */
export type NullTarget =
  "moves no data" | "never completes" | "completes at random" | "zeroes" | "closes" | "silent";

/** A request completes with a random status and length, or not at all; its data is left as it was. */
function atRandom(): Mutant {
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  return throughQueue("completes at random", (queue) => ({
    complete(id, written) {
      if (random(2) === 0) queue.complete(id, random(written + 2));
    },
  }));
}

export const nullTargets: Readonly<Record<NullTarget, Mutant>> = {
  "moves no data": {
    fault: "completes every request with status OK and moves no data",
    apply: (options, world) => {
      const storage = BlockStorage.memory(1 << 20, { isNull: true });
      world.leak({ close: () => storage.close() });
      return { ...options, device: () => new BlockDevice({ storage, queues: QUEUES }) };
    },
  },
  "never completes": throughQueue("never completes a request", () => ({
    complete: () => undefined,
  })),
  "completes at random": atRandom(),
  zeroes: throughChannel("answers every message with zeroes, and serves no ring", () => ({
    async received({ header, fds }, channel) {
      for (const fd of fds.splice(0)) fd.close();
      const reply = requestSpec("front-end", header.request)?.reply;
      const wanted = (header.flags & HeaderFlag.NeedReply) !== 0;
      if (reply?.codec === undefined && !wanted) return undefined;
      const payload = new Uint8Array(reply?.codec?.minSize ?? NO_REPLY_CODEC);
      const flags = HeaderFlag.Version | HeaderFlag.Reply;
      const answer = { request: header.request, flags, size: payload.length };
      await channel.send({ header: answer, payload, fds: [] });
      return undefined;
    },
  })),
  closes: throughChannel("closes every connection at once", () => ({
    received(_frame, channel) {
      channel.close();
      return undefined;
    },
  })),
  silent: throughChannel("never says anything", () => ({ received: () => undefined })),
};
