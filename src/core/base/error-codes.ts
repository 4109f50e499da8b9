/** Describes a code of an error: its meaning, and what to do about it. */
interface CodeExplanation {
  readonly meaning: string;
  /** For a caller of the library and for a user of the command. */
  readonly remedy: string;
}

/**
 * Every code of an error of this package. The reference of errors is generated from this table, and
 * `--debug` prints the entry of the error that ended a command.
 */
export const errorCodes = {
  ERR_VHOST_PROTOCOL: {
    meaning: "The peer sent bytes or descriptors that the specification does not allow here.",
    remedy:
      "Check that the socket is that of a vhost-user peer in the other role; -v prints each message. " +
      "If it is, the peer has a fault: the message and `details` name the request and the field.",
  },
  ERR_VHOST_NEGOTIATION: {
    meaning: "A feature that the operation needs was not offered or not acknowledged.",
    remedy: "Have the peer offer the feature that the message names, or do without what needs it.",
  },
  ERR_VHOST_STATE: {
    meaning:
      "The operation does not fit the state of the object: closed, not started, or started already.",
    remedy:
      "Correct the order of the calls. When a command ends with it, that is a bug: report the output of --debug.",
  },
  ERR_VHOST_CONNECT: {
    meaning: "No program accepts connections on the socket.",
    remedy: "Start the other side first, and check the path.",
  },
  ERR_VHOST_PEER_CLOSED: {
    meaning: "The peer closed the connection while something was still expected of it.",
    remedy:
      "Look for the reason in the peer's own output, then connect again; the option `reconnect` of a client does so.",
  },
  ERR_VHOST_TIMEOUT: {
    meaning: "The peer did not answer, or did not complete a request, in time.",
    remedy:
      "Check that the peer runs and serves no other session, or give it longer: `timeoutMs`, --timeout, --io-timeout.",
  },
  ERR_VHOST_REMOTE: {
    meaning: "The peer answered that the request failed.",
    remedy:
      "Look for the reason in the peer's own output; `request` and the message name the request.",
  },
  ERR_VHOST_MEMORY: {
    meaning: "An address or a length is outside of shared memory, or memory cannot be mapped.",
    remedy:
      "Of a back-end: have the front-end share all guest memory (QEMU: share=on). Of a client: give it more memory " +
      "or release buffers. When a command ends with it, that is a bug: report the output of --debug.",
  },
  ERR_VHOST_QUEUE: {
    meaning: "A virtqueue broke the rules of the VIRTIO specification and is no longer served.",
    remedy:
      "The other side of the ring has a fault: report the rule that the message names to its authors. " +
      "A new session starts with a new ring.",
  },
  ERR_VHOST_DEVICE: {
    meaning: "The device completed a request with a status other than OK.",
    remedy:
      "Look for the reason in the back-end's own output; `status` and the message have the device's answer.",
  },
  ERR_VHOST_ENVIRONMENT: {
    meaning: "This machine lacks a program, a permission, room or a limit that is needed.",
    remedy: "Provide what the message names.",
  },
  ERR_VHOST_USAGE: {
    meaning: "The caller asked for something that cannot be: an option, a value or a combination.",
    remedy: "Correct the option or argument that the message names.",
  },
} as const satisfies Readonly<Record<string, CodeExplanation>>;

/** Identifies the situation of an error. The codes are stable and part of the public contract. */
export type ErrorCode = keyof typeof errorCodes;

/** Explains a code; undefined for a code of another version of this package. */
export function explainCode(code: string): CodeExplanation | undefined {
  return new Map<string, CodeExplanation>(Object.entries(errorCodes)).get(code);
}
