import { FrontendRequest, type MemoryRegion } from "../../../../../../src/core/protocol/index.ts";
import {
  answers,
  crashesOn,
  type Mutant,
  type Serving,
  throughChannel,
  throughHandler,
} from "../mutant.ts";

const { AddMemReg, GetMaxMemSlots, RemMemReg, SetMemTable } = FrontendRequest;

interface Slot {
  readonly region: MemoryRegion;
}

/** A back-end that adds regions in its own way. */
const adding = (summary: string, serve: Serving): Mutant =>
  throughHandler(summary, () => ({ [AddMemReg]: serve }));

const removing = (summary: string, serve: Serving): Mutant =>
  throughHandler(summary, () => ({ [RemMemReg]: serve }));

const swallow: Serving = (plain) => async (payload, incoming) => {
  try {
    await plain(payload, incoming);
  } catch {
    return;
  }
};

export const slot: Readonly<Record<string, Mutant>> = {
  "slot/1": answers<bigint>("says that it has no slots", GetMaxMemSlots, () => 0n),
  "slot/2": throughHandler("has fewer slots in each session", () => {
    let sessions = 600n;
    return { [GetMaxMemSlots]: () => () => (sessions -= 1n) };
  }),
  "slot/3": adding("has one slot, whatever it says", (plain, session) => (payload, incoming) => {
    for (const { description } of session().memory.regions) session().memory.remove(description);
    return plain(payload, incoming);
  }),
  "slot/4": adding("has 32 slots, whatever it says", (plain, session) => (payload, incoming) => {
    if (session().memory.regions.length >= 32) throw new Error("full");
    return plain(payload, incoming);
  }),
  "slot/6": removing("compares the offset of a region as well", (plain) => (payload, incoming) => {
    if ((payload as Slot).region.mmapOffset === 0xdea_d000n) throw new Error("no such region");
    return plain(payload, incoming);
  }),
  "slot/7": removing("acknowledges REM_MEM_REG and keeps the region", () => () => undefined),
  "slot/8": removing("acknowledges the end of a region that is not there", swallow),
  "slot/10": throughChannel("ignores surplus descriptors", () => ({
    received: (frame) => {
      if (frame.header.request === AddMemReg) for (const fd of frame.fds.splice(1)) fd.close();
      return frame;
    },
  })),
  "slot/11": throughHandler("takes each region once", () => {
    const known = new Set<bigint>();
    return {
      [AddMemReg]: (plain) => (payload, incoming) => {
        const { guestAddress } = (payload as Slot).region;
        if (known.has(guestAddress)) throw new Error("known already");
        known.add(guestAddress);
        return plain(payload, incoming);
      },
    };
  }),
  "slot/12": adding("adds nothing while rings run", (plain, session) => (payload, incoming) => {
    if (session().vrings.some(({ started }) => started)) return undefined;
    return plain(payload, incoming);
  }),
  "slot/13": adding("acknowledges a region that it has already", swallow),
  "slot/14": crashesOn("SET_MEM_TABLE after ADD_MEM_REG", afterAdding()),
};

/** Whether a memory table comes behind a region. */
function afterAdding(): Parameters<typeof crashesOn>[1] {
  let added = false;
  return ({ header: { request } }) => {
    added ||= request === AddMemReg;
    return added && request === SetMemTable;
  };
}
