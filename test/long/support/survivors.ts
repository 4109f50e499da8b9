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

/** Faults that the suite does not find, with the reason. */
export const survivors: Readonly<Record<string, string>> = {};
