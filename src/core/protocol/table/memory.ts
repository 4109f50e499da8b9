import { empty } from "../payloads/empty.ts";
import { iotlb } from "../payloads/iotlb.ts";
import { log } from "../payloads/log.ts";
import { MAX_MEMORY_REGIONS, memoryTable } from "../payloads/memory-table.ts";
import type { MemoryTable } from "../payloads/memory-table.ts";
import { opaque } from "../payloads/opaque.ts";
import { singleMemoryRegion } from "../payloads/single-memory-region.ts";
import { acknowledgement, count } from "../payloads/u64.ts";
import { ProtocolFeature } from "../protocol-features.ts";
import { FrontendRequest } from "../requests.ts";
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
import type { AckReply, RequestSpec, SpecialReply } from "./spec.ts";

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
  [FrontendRequest.SetMemTable]: {
    number: FrontendRequest.SetMemTable,
    name: "VHOST_USER_SET_MEM_TABLE",
    payload: memoryTable,
    reply: tableReply,
    descriptors: manyDescriptors,
    descriptorsFor: ({ regions }: MemoryTable) => regions.length,
    check: regionsAreSane,
    requires: always,
    section: "Memory access",
    summary: "replaces the whole memory of the guest, one descriptor a region",
  },
  [FrontendRequest.SetLogBase]: {
    number: FrontendRequest.SetLogBase,
    name: "VHOST_USER_SET_LOG_BASE",
    payload: log,
    reply: logReply,
    descriptors: maybeDescriptor,
    requires: always,
    section: "Migration",
    summary: "says where writes to guest memory are logged; with LOG_SHMFD always answered",
  },
  [FrontendRequest.SetLogFd]: {
    number: FrontendRequest.SetLogFd,
    name: "VHOST_USER_SET_LOG_FD",
    payload: empty,
    reply: ack,
    descriptors: oneDescriptor,
    requires: always,
    section: "Migration",
    summary: "gives an event descriptor to signal after logging",
  },
  [FrontendRequest.IotlbMsg]: {
    number: FrontendRequest.IotlbMsg,
    name: "VHOST_USER_IOTLB_MSG",
    payload: iotlb,
    reply: askedAck,
    descriptors: noDescriptors,
    check: frontendIotlb,
    requires: { virtio: VirtioFeature.AccessPlatform },
    section: "IOMMU support",
    summary: "adds or withdraws an address translation",
  },
  [FrontendRequest.PostcopyAdvise]: {
    number: FrontendRequest.PostcopyAdvise,
    name: "VHOST_USER_POSTCOPY_ADVISE",
    payload: empty,
    reply: own(empty, { descriptors: maybeDescriptor }),
    descriptors: noDescriptors,
    requires: postcopy,
    state: "on the destination of a migration, before there is memory",
    section: "Migration",
    summary: "asks for a userfault descriptor; a reply without one means failure",
  },
  [FrontendRequest.PostcopyListen]: {
    number: FrontendRequest.PostcopyListen,
    name: "VHOST_USER_POSTCOPY_LISTEN",
    payload: empty,
    reply: askedAck,
    descriptors: noDescriptors,
    requires: postcopy,
    state: "after POSTCOPY_ADVISE, while no region is mapped",
    section: "Migration",
    summary: "starts postcopy: memory that follows is registered with userfault",
  },
  [FrontendRequest.PostcopyEnd]: {
    number: FrontendRequest.PostcopyEnd,
    name: "VHOST_USER_POSTCOPY_END",
    payload: empty,
    reply: { ...own(acknowledgement), alwaysAsked: true as const },
    descriptors: noDescriptors,
    requires: postcopy,
    state: "after POSTCOPY_LISTEN",
    section: "Migration",
    summary: "ends postcopy: all memory has arrived",
  },
  [FrontendRequest.GetMaxMemSlots]: {
    number: FrontendRequest.GetMaxMemSlots,
    name: "VHOST_USER_GET_MAX_MEM_SLOTS",
    payload: empty,
    reply: own(count),
    descriptors: noDescriptors,
    requires: slots,
    section: "Memory access",
    summary: "asks how many memory regions the back-end can hold",
  },
  [FrontendRequest.AddMemReg]: {
    number: FrontendRequest.AddMemReg,
    name: "VHOST_USER_ADD_MEM_REG",
    payload: singleMemoryRegion,
    reply: ack,
    descriptors: oneDescriptor,
    check: regionIsSane,
    requires: slots,
    section: "Memory access",
    summary: "adds one memory region",
  },
  [FrontendRequest.RemMemReg]: {
    number: FrontendRequest.RemMemReg,
    name: "VHOST_USER_REM_MEM_REG",
    payload: singleMemoryRegion,
    reply: ack,
    // A descriptor is not allowed here; one from an older front-end is closed unused.
    descriptors: maybeDescriptor,
    check: regionIsSane,
    requires: slots,
    section: "Memory access",
    summary: "removes the region with this guest address, user address and size",
  },
} satisfies Partial<Record<FrontendRequest, RequestSpec>>;
