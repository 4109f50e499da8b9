/** A test: file below test/, and a part of its title. */
export type Place = readonly [file: string, title: string];

/** A kind of hostile input, and the tests of both roles. */
export interface HostileGroup {
  readonly number: number;
  readonly what: string;
  readonly backend: readonly Place[];
  /** The mirror image: what a hostile back-end can do alike. A text: why there is none. */
  readonly client: readonly Place[] | string;
}

const back = "component/endpoints/backend/backend-hostile";
const front = "component/endpoints/frontend/frontend-hostile";
const driver = "component/core/virtqueue/hostile-driver";
const splitDriver = "component/core/virtqueue/split/hostile-driver";
const packedDriver = "component/core/virtqueue/packed/hostile-driver";
const device = "component/core/virtqueue/hostile-device";
const splitDevice = "component/core/virtqueue/split/hostile-device";
const packedDevice = "component/core/virtqueue/packed/hostile-device";
const table = "component/support/fault-table";
const legal = "component/endpoints/backend/legal-sequences";
const inflight = "component/endpoints/backend/inflight-messages";
const EACH = "each request with the wrong size, descriptors or flags";
const CHANNEL = "with the wrong size, descriptors or flags, or without its feature";
const NO_MEMORY = "a back-end shares no memory with a front-end but what it maps: see SHMEM_MAP";
const NO_RING = "only a front-end sets rings up";

export const hostileGroups: readonly HostileGroup[] = [
  {
    number: 1,
    what: "a header cut at each byte",
    backend: [[back, "a header cut after each of its bytes"]],
    client: [["component/lab/faults/mutants", "a reply cut after each of its bytes"]],
  },
  {
    number: 2,
    what: "sizes 0, 4097, 2^31, 2^32 - 1",
    backend: [[back, "a size field that promises more"]],
    client: [[front, "each reply is empty, or announces more"]],
  },
  {
    number: 3,
    what: "a size that is not the request's",
    backend: [[back, EACH]],
    client: [
      [front, "group 2 and 3"],
      [front, CHANNEL],
    ],
  },
  {
    number: 4,
    what: "versions 0, 2, 3",
    backend: [[back, EACH]],
    client: [[front, "version (4)"]],
  },
  {
    number: 5,
    what: "the reply flag on the wrong side",
    backend: [[back, EACH]],
    client: [
      [front, "no reply flag (5)"],
      [front, CHANNEL],
    ],
  },
  {
    number: 6,
    what: "unknown numbers",
    backend: [[back, "numbers of no request"]],
    client: [
      [front, "another number (group 6)"],
      [front, "numbers of no request on the back-end channel"],
    ],
  },
  {
    number: 7,
    what: "reserved flags",
    backend: [[back, EACH]],
    client: [[table, "reserved-flags"]],
  },
  {
    number: 8,
    what: "need_reply without REPLY_ACK",
    backend: [["component/core/session/session", "without REPLY_ACK need_reply means nothing"]],
    client: [["component/core/session/session", "an acknowledgement asked for without REPLY_ACK"]],
  },
  {
    number: 9,
    what: "byte by byte",
    backend: [["unit/core/transport/framer", "comes byte by byte"]],
    client: [[front, "one byte at a time (group 9)"]],
  },
  {
    number: 10,
    what: "several messages in one write",
    backend: [["unit/core/transport/framer", "takes messages apart that come together"]],
    client: [[front, "twice in one write (10)"]],
  },
  {
    number: 11,
    what: "hanging up after each message",
    backend: [[back, "hanging up after each message of a full bring-up"]],
    client: [[front, "hangs up instead of each of its replies (torture, group 11)"]],
  },
  {
    number: 12,
    what: "descriptors missing",
    backend: [[back, EACH]],
    client: [
      [table, "missing-descriptor"],
      [front, CHANNEL],
    ],
  },
  {
    number: 13,
    what: "9, 16, 253 descriptors",
    backend: [[back, EACH]],
    client: [[front, "group 13 and 14"]],
  },
  {
    number: 14,
    what: "descriptors where none belong",
    backend: [[back, EACH]],
    client: [[front, "group 13 and 14"]],
  },
  {
    number: 15,
    what: "descriptors of the wrong kind",
    backend: [
      [back, "descriptors of the wrong kind"],
      [back, "descriptors that are not sockets as back-end channel"],
    ],
    client: [[front, CHANNEL]],
  },
  {
    number: 16,
    what: "the no-descriptor bit and a descriptor",
    backend: [[back, "no-descriptor bit together with a descriptor"]],
    client: [[front, CHANNEL]],
  },
  {
    number: 17,
    what: "descriptors that the kernel cut short",
    backend: [["component/core/os/descriptor-passing", "cut short are all closed"]],
    client: [["component/core/os/descriptor-passing", "cut short are all closed"]],
  },
  {
    number: 18,
    what: "as many descriptors as regions, or not",
    backend: [
      [back, "more regions than descriptors"],
      [back, "more descriptors than regions"],
    ],
    client: NO_MEMORY,
  },
  {
    number: 19,
    what: "leak loops",
    backend: [
      [back, "descriptors that are not sockets as back-end channel"],
      [inflight, "asked for a thousand times"],
    ],
    client: [
      ["component/endpoints/frontend/backend-channel", "files are mapped into a device"],
      [front, "group 13 and 14"],
    ],
  },
  {
    number: 20,
    what: "0, 9, 255, 2^32 - 1 regions",
    backend: [[back, "counts that no table can have"]],
    client: NO_MEMORY,
  },
  {
    number: 21,
    what: "regions of size 0",
    backend: [[back, "size 0"]],
    client: [["component/endpoints/frontend/backend-channel", "files are mapped into a device"]],
  },
  {
    number: 22,
    what: "guest addresses that wrap",
    backend: [[back, "guest address wraps"]],
    client: [["component/endpoints/frontend/backend-channel", "files are mapped into a device"]],
  },
  {
    number: 23,
    what: "user addresses that wrap",
    backend: [[back, "user address wraps"]],
    client: NO_MEMORY,
  },
  {
    number: 24,
    what: "offsets beyond the file",
    backend: [[back, "offset beyond the file"]],
    client: [["component/endpoints/frontend/backend-channel", "files are mapped into a device"]],
  },
  {
    number: 25,
    what: "regions that overlap",
    backend: [
      [back, "overlap in guest addresses"],
      [back, "overlap in user addresses"],
    ],
    client: [["component/endpoints/frontend/backend-channel", "files are mapped into a device"]],
  },
  {
    number: 26,
    what: "files that are truncated",
    backend: [
      ["component/core/virtqueue/truncated", "no data where memory was taken away, and lives on"],
    ],
    client: [["component/core/os/sigbus", "compiled code in a loop survives a truncation"]],
  },
  {
    number: 27,
    what: "the same region twice, unknown regions, regions with a ring in them",
    backend: [
      [back, "regions that are not there to be removed"],
      [back, "memory is taken away under a running ring"],
    ],
    client: NO_MEMORY,
  },
  {
    number: 28,
    what: "a new table under running rings",
    backend: [
      [back, "memory is taken away under a running ring"],
      [
        "component/endpoints/backend/backend",
        "kick and call descriptors are exchanged while I/O runs",
      ],
    ],
    client: NO_MEMORY,
  },
  {
    number: 29,
    what: "ring indices out of range, and their 16-bit alias",
    backend: [[back, "a ring index that the device does not have"]],
    client: [[front, CHANNEL]],
  },
  {
    number: 30,
    what: "ring sizes 0, 3, 32769, 65536",
    backend: [[back, "sizes that no split ring has"]],
    client: NO_RING,
  },
  {
    number: 31,
    what: "ring addresses that are unaligned, unmapped, across a border",
    backend: [[back, "addresses outside of memory, unaligned, wrapping"]],
    client: NO_RING,
  },
  {
    number: 32,
    what: "kick before addresses",
    backend: [[back, "kick before size, before addresses"]],
    client: NO_RING,
  },
  {
    number: 33,
    what: "GET_VRING_BASE of an unused ring, twice",
    backend: [[legal, "GET_VRING_BASE of a ring that was never set up"]],
    client: [[table, "base-wrong"]],
  },
  {
    number: 34,
    what: "SET_VRING_NUM on a running ring; storms of enable and disable",
    backend: [
      [back, "size and base while the ring runs"],
      [back, "enabled and disabled, kicked and stopped, many times"],
    ],
    client: NO_RING,
  },
  {
    number: 35,
    what: "loops of descriptors, next out of range",
    backend: [
      [splitDriver, "a chain that leads to itself"],
      [splitDriver, "next outside of the table"],
      [packedDriver, "a chain that never ends"],
    ],
    client: [[device, "is never read back"]],
  },
  {
    number: 36,
    what: "available indices that jump, full rings, wrap at 65535",
    backend: [
      [splitDriver, "jumps by more than the queue"],
      [legal, "full to the last entry"],
    ],
    client: [
      [splitDevice, "a used index that jumps"],
      [splitDevice, "a used index that moves backwards"],
    ],
  },
  {
    number: 37,
    what: "indirect tables: length, nesting, with NEXT, changed in use",
    backend: [
      [driver, "whose length is 0 or not a multiple of 16"],
      [splitDriver, "an indirect table inside an indirect table"],
      ["component/core/virtqueue/flipper", "rewritten meanwhile do a device half no harm"],
    ],
    client: [[device, "is never read back"]],
  },
  {
    number: 38,
    what: "buffers of length 0 or 2^32 - 1, unmapped, in the wrong order",
    backend: [
      [driver, "a readable descriptor after a writable one"],
      [driver, "a chain of more than 2^32 bytes"],
    ],
    client: [[device, "a used length above the writable bytes"]],
  },
  {
    number: 39,
    what: "packed rings: ids, wraps, event areas; the other side's words rewritten",
    backend: [
      [packedDriver, "the same buffer id twice"],
      [driver, "event fields and areas of any value"],
      ["component/core/virtqueue/flipper", "do a device half no harm"],
    ],
    client: [
      [device, "a used id outside of the ring"],
      [packedDevice, "marked as used with another wrap counter"],
      ["component/core/virtqueue/flipper", "do a driver half no harm"],
    ],
  },
  {
    number: 40,
    what: "state: in-flight, log, features, reset, configuration, device state, status, back-end channel",
    backend: [
      [inflight, "regions with nonsense in them"],
      [inflight, "numbers that a region cannot have"],
      ["component/core/memory/dirty-log", "a log that a file does not hold is refused"],
      [back, "features that were not offered are refused"],
      ["component/endpoints/frontend/frontend", "a configuration that the back-end refuses"],
      [
        "component/endpoints/backend/device-state",
        "directions, phases and descriptors that are none",
      ],
      ["component/endpoints/backend/device-state", "while rings run it is refused"],
    ],
    client: [
      [table, "backend-channel-flood"],
      [table, "config-long"],
      [table, "features-garbage"],
      ["component/endpoints/backend/device-state", "a state without end is not read to its end"],
    ],
  },
];
