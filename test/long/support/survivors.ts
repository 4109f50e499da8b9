/** Requests without an effect that a front-end could see on our back-ends, with the reason. */
export const withoutEffect: Readonly<Record<string, string>> = {
  VHOST_USER_SET_OWNER: "nothing depends on it: no request is refused before it",
  VHOST_USER_RESET_OWNER: "it is deprecated, and a back-end may ignore it",
  VHOST_USER_SET_LOG_FD: "a back-end need not signal that descriptor",
  VHOST_USER_SET_VRING_ERR: "a back-end may signal that descriptor, and need not (hostile/27)",
  VHOST_USER_SET_VRING_ENDIAN: "none of the devices offers CROSS_ENDIAN",
  VHOST_USER_POSTCOPY_LISTEN: "it needs the page faults of a real migration",
  VHOST_USER_CLOSE_CRYPTO_SESSION: "none of the devices is a crypto device",
  VHOST_USER_GPU_SET_SOCKET: "none of the devices is a graphics card",
};

const CHANNEL =
  "the back-end has nothing to say on its channel yet when it acknowledges the descriptor";
const KICK = "no time is set within which a kick has to be served";
const RARP = "what a card announces, and when, may not be seen: net/12 says so as INFO";
const PARTS = "the fault has several parts, which seldom strike together";

/** Faults that the suite does not find, with the reason. */
export const survivors: Readonly<Record<string, string>> = {
  "VHOST_USER_SET_BACKEND_REQ_FD: effect late": CHANNEL,
  "VHOST_USER_SET_BACKEND_REQ_FD: effect late, one time in three": CHANNEL,
  "VHOST_USER_SET_VRING_CALL: effect late, one time in three":
    "it strikes the first descriptor of a ring, which nothing replaces",
  "VHOST_USER_VRING_KICK: effect late": KICK,
  "VHOST_USER_VRING_KICK: effect late, one time in three": KICK,
  "VHOST_USER_SEND_RARP: effect dropped": RARP,
  "VHOST_USER_SEND_RARP: effect dropped, one time in three": RARP,
  "VHOST_USER_SEND_RARP: effect late": RARP,
  "VHOST_USER_SEND_RARP: effect late, one time in three": RARP,
  "stop/4, one time in three": PARTS,
  "stop/5, one time in three": PARTS,
  "reset/2, one time in three": PARTS,
  "iotlb/7, one time in three": PARTS,
  "devstate/12, one time in three": PARTS,
};
