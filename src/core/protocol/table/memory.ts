import { empty } from "../payloads/empty.ts";
import { iotlb } from "../payloads/iotlb.ts";
import { log } from "../payloads/log.ts";
import { MAX_MEMORY_REGIONS, memoryTable } from "../payloads/memory-table.ts";
import type { MemoryTable } from "../payloads/memory-table.ts";
import { opaque } from "../payloads/opaque.ts";
import { singleMemoryRegion } from "../payloads/single-memory-region.ts";
import { acknowledgement, count } from "../payloads/u64.ts";
import { ProtocolFeature } from "../protocol-features.ts";
import { VirtioFeature } from "../virtio-features.ts";
import { frontendIotlb, regionIsSane, regionsAreSane } from "./checks.ts";
import {
  ack,
  always,
  askedAck,
  maybeDescriptor,
  noDescriptors,
  oneDescriptor,
  own,
} from "./spec.ts";
import type { AckReply, RequestTable, SpecialReply } from "./spec.ts";

const manyDescriptors = { min: 0, max: MAX_MEMORY_REGIONS };
const slots = { protocol: ProtocolFeature.ConfigureMemSlots };
const postcopy = {
  protocol: ProtocolFeature.Pagefault,
  without: ProtocolFeature.ConfigureMemSlots,
};

// In postcopy the back-end replies with the same table, in which its own mapping addresses replace
// the user addresses; the front-end confirms by an empty table.
const tableReply: AckReply & { readonly special: SpecialReply<MemoryTable> } = {
  ...ack,
  special: { when: "postcopy", codec: memoryTable, descriptors: noDescriptors },
};

// With LOG_SHMFD there always is a reply, whose contents the specification leaves open.
const logReply: AckReply & { readonly special: SpecialReply<Uint8Array> } = {
  ...ack,
  special: { when: "log-shmfd", codec: opaque, descriptors: noDescriptors },
};

/** Guest memory, its dirty log, its translation and postcopy migration. */
export const memoryRequests = {
  SetMemTable: {
    number: 5,
    name: "VHOST_USER_SET_MEM_TABLE",
    payload: memoryTable,
    reply: tableReply,
    descriptors: manyDescriptors,
    descriptorsFor: ({ regions }: MemoryTable) => regions.length,
    carries: "mem*",
    check: regionsAreSane,
    requires: always,
    section: "Memory access",
    summary: "replaces the whole memory of the guest, one descriptor a region",
  },
  SetLogBase: {
    number: 6,
    name: "VHOST_USER_SET_LOG_BASE",
    payload: log,
    reply: logReply,
    descriptors: maybeDescriptor,
    carries: "log",
    requires: always,
    section: "Migration",
    summary: "says where writes to guest memory are logged; with LOG_SHMFD always answered",
  },
  SetLogFd: {
    number: 7,
    name: "VHOST_USER_SET_LOG_FD",
    payload: empty,
    reply: ack,
    descriptors: oneDescriptor,
    carries: "log-event",
    requires: always,
    section: "Migration",
    summary: "gives an event descriptor to signal after logging",
  },
  IotlbMsg: {
    number: 22,
    name: "VHOST_USER_IOTLB_MSG",
    payload: iotlb,
    reply: askedAck,
    descriptors: noDescriptors,
    check: frontendIotlb,
    requires: { virtio: VirtioFeature.AccessPlatform },
    section: "IOMMU support",
    summary: "adds or withdraws an address translation",
  },
  PostcopyAdvise: {
    number: 28,
    name: "VHOST_USER_POSTCOPY_ADVISE",
    payload: empty,
    reply: own(empty, { descriptors: maybeDescriptor }),
    descriptors: noDescriptors,
    carries: "userfault",
    requires: postcopy,
    state: "on the destination of a migration, before there is memory",
    section: "Migration",
    summary: "asks for a userfault descriptor; a reply without one means failure",
  },
  PostcopyListen: {
    number: 29,
    name: "VHOST_USER_POSTCOPY_LISTEN",
    payload: empty,
    reply: askedAck,
    descriptors: noDescriptors,
    requires: postcopy,
    state: "after POSTCOPY_ADVISE, while no region is mapped",
    section: "Migration",
    summary: "starts postcopy: memory that follows is registered with userfault",
  },
  PostcopyEnd: {
    number: 30,
    name: "VHOST_USER_POSTCOPY_END",
    payload: empty,
    reply: { ...own(acknowledgement), alwaysAsked: true },
    descriptors: noDescriptors,
    requires: postcopy,
    state: "after POSTCOPY_LISTEN",
    section: "Migration",
    summary: "ends postcopy: all memory has arrived",
  },
  GetMaxMemSlots: {
    number: 36,
    name: "VHOST_USER_GET_MAX_MEM_SLOTS",
    payload: empty,
    reply: own(count),
    descriptors: noDescriptors,
    requires: slots,
    section: "Memory access",
    summary: "asks how many memory regions the back-end can hold",
  },
  AddMemReg: {
    number: 37,
    name: "VHOST_USER_ADD_MEM_REG",
    payload: singleMemoryRegion,
    reply: ack,
    descriptors: oneDescriptor,
    carries: "mem*",
    check: regionIsSane,
    requires: slots,
    section: "Memory access",
    summary: "adds one memory region",
  },
  RemMemReg: {
    number: 38,
    name: "VHOST_USER_REM_MEM_REG",
    payload: singleMemoryRegion,
    reply: ack,
    // A descriptor is not allowed here; one from an older front-end is closed unused.
    descriptors: maybeDescriptor,
    carries: "mem*",
    check: regionIsSane,
    requires: slots,
    section: "Memory access",
    summary: "removes the region with this guest address, user address and size",
  },
} as const satisfies RequestTable;
