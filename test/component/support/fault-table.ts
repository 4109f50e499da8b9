import type { Experience } from "./exercise.ts";

/** What a client makes of a back-end with a fault. */
export interface FaultCase {
  /** As on the command line. */
  readonly use: string;
  /** Lenient client: class of the error, `wrong data`, or `well` where it is tolerated. */
  readonly lenient: string;
  /** Strict client; default: the same. */
  readonly strict?: string;
  /** The error message: the expected and the actual value. */
  readonly says?: RegExp;
  /** Tolerated by both: how the fault shows all the same. */
  readonly shows?: (seen: Experience) => boolean;
}

const TIMEOUT = /within \d+ ms/;
/** The second reply arrives before or after the next request was sent: both are found. */
const SECOND_REPLY = /which was not requested|expected its reply .* got request/;

/** Every fault at least once. */
export const faultTable: readonly FaultCase[] = [
  {
    use: "wrong-request-number",
    lenient: "ProtocolError",
    says: /expected its reply \(request 1, .*got request 2/,
  },
  {
    use: "wrong-request-number@GET_VRING_BASE",
    lenient: "ProtocolError",
    says: /expected its reply \(request 11, .*got request 1 /,
  },
  { use: "wrong-version", lenient: "ProtocolError", says: /flags 0x5\), got .* flags 0x6/ },
  { use: "missing-reply-flag", lenient: "ProtocolError", says: /flags 0x5\), got .* flags 0x1/ },
  {
    use: "need-reply-echoed",
    lenient: "well",
    strict: "ProtocolError",
    says: /without need_reply, not 0xd/,
  },
  {
    use: "reserved-flags",
    lenient: "well",
    strict: "ProtocolError",
    says: /without reserved bits, not 0xfffffff5/,
  },
  { use: "wrong-size-field", lenient: "TimeoutError", says: TIMEOUT },
  { use: "wrong-size-field=-4", lenient: "ProtocolError", says: /8 bytes, (got|not) 4/ },
  {
    use: "wrong-size-field=4089",
    lenient: "ProtocolError",
    says: /at most 4096 bytes, the header announces 4097/,
  },
  { use: "wrong-size-field=2147418112", lenient: "ProtocolError", says: /at most 4096 bytes/ },
  { use: "short-payload", lenient: "ProtocolError", says: /8 bytes, (got|not) 7/ },
  { use: "short-payload@SET_VRING_NUM", lenient: "ProtocolError", says: /SET_VRING_NUM reply/ },
  { use: "long-payload", lenient: "well", strict: "ProtocolError", says: /8 bytes, not 16/ },
  {
    use: "ack-failure",
    lenient: "RemoteError",
    says: /SET_BACKEND_REQ_FD: the peer answered that it failed/,
  },
  { use: "ack-failure@SET_VRING_ENABLE:1", lenient: "RemoteError", says: /SET_VRING_ENABLE/ },
  { use: "config-wrong-size-field", lenient: "ProtocolError", says: /76 bytes.* 72/ },
  { use: "close-before-reply", lenient: "PeerClosedError", says: /GET_FEATURES: the peer closed/ },
  { use: "close-before-reply@GET_CONFIG", lenient: "PeerClosedError", says: /GET_CONFIG/ },
  {
    use: "cut-reply",
    lenient: "PeerClosedError",
    says: /in the middle of a message, after 6 bytes/,
  },
  { use: "cut-reply=4000@GET_CONFIG", lenient: "PeerClosedError", says: /the peer closed/ },
  { use: "no-reply", lenient: "TimeoutError", says: TIMEOUT },
  {
    use: "no-reply@SET_VRING_KICK",
    lenient: "TimeoutError",
    says: /SET_VRING_KICK: no answer within \d+ ms; peer is pid \d+/,
  },
  {
    // Requests behind it were sent as well, and are answered.
    use: "no-reply@SET_VRING_ADDR",
    lenient: "ProtocolError",
    says: /SET_VRING_ADDR: expected its reply .*, got request 14/,
  },
  { use: "late-reply=60000@SET_OWNER", lenient: "TimeoutError", says: TIMEOUT },
  { use: "unasked-reply", lenient: "ProtocolError", says: /got request 3 with flags 0x5/ },
  { use: "two-replies", lenient: "ProtocolError", says: SECOND_REPLY },
  { use: "split-reply", lenient: "well" },
  { use: "request-on-main-socket", lenient: "ProtocolError", says: /flags 0x1/ },
  { use: "ack-without-asking", lenient: "ProtocolError", says: /SET_PROTOCOL_FEATURES|request 16/ },
  {
    use: "extra-descriptors",
    lenient: "well",
    strict: "ProtocolError",
    says: /descriptors must be 0, not 3/,
  },
  {
    use: "extra-descriptors=200@GET_CONFIG",
    lenient: "well",
    strict: "ProtocolError",
    says: /not 200/,
  },
  { use: "missing-descriptor", lenient: "well", shows: () => true },
  {
    use: "descriptors-after-first-byte",
    lenient: "ProtocolError",
    says: /first byte of a message, got 1 after byte 12/,
  },
  { use: "refuse@SET_VRING_NUM", lenient: "RemoteError", says: /SET_VRING_NUM/ },
  { use: "refuse", lenient: "PeerClosedError", says: /GET_FEATURES/ },
  {
    use: "features-garbage",
    lenient: "NegotiationError",
    says: /VIRTIO_F_VERSION_1, only the features 0x5a5a/,
  },
  { use: "queue-num-zero", lenient: "well", shows: ({ queueNum }) => queueNum === 0n },
  { use: "queue-num-huge", lenient: "well", shows: ({ queueNum }) => queueNum === 2n ** 64n - 1n },
  {
    use: "config-short",
    lenient: "ProtocolError",
    says: /expected 60 bytes of the configuration space, got 56/,
  },
  {
    use: "config-long",
    lenient: "ProtocolError",
    says: /expected 60 bytes of the configuration space, got 68/,
  },
  {
    use: "base-wrong",
    lenient: "ProtocolError",
    says: /index of queue 0 to be 9 and up to 0 more, got 16393/,
  },
  {
    use: "backend-channel-flood=2000",
    lenient: "well",
    shows: ({ configChanges }) => configChanges > 10,
  },
  {
    use: "backend-channel-garbage",
    lenient: "well",
    shows: ({ problems }) => problems.length === 1,
  },
  {
    use: "used-id-out-of-range",
    lenient: "QueueError",
    says: /expected the head of an outstanding chain as used id, got \d+/,
  },
  { use: "used-id-twice", lenient: "QueueError", says: /expected at most 1 completion, got 2/ },
  { use: "used-length-too-long", lenient: "well", shows: ({ overlong }) => overlong === 9 },
  {
    use: "used-index-jump",
    lenient: "QueueError",
    says: /expected at most 1 completion, got 1001/,
  },
  { use: "never-complete", lenient: "TimeoutError", says: TIMEOUT },
  { use: "drop-completion", lenient: "TimeoutError", says: TIMEOUT },
  { use: "no-call", lenient: "TimeoutError", says: TIMEOUT },
  { use: "spurious-calls", lenient: "well" },
  { use: "late-completions", lenient: "well" },
  // What these two do shows only to who migrates: see the tests of migration.
  { use: "log-nothing", lenient: "well" },
  { use: "log-rings-only", lenient: "well" },
  { use: "device-io-error", lenient: "DeviceError", says: /VIRTIO_BLK_S_IOERR/ },
  { use: "corrupt-read", lenient: "wrong data" },
  { use: "corrupt-write", lenient: "wrong data" },
  { use: "lost-write", lenient: "wrong data" },
  { use: "flush-does-nothing", lenient: "well" },
  { use: "status-missing", lenient: "DeviceError", says: /status 255/ },
];
