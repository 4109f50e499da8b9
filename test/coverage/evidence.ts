export type Role = "client" | "back-end";

/** Tests with real programs besides those whose conversations are on record. */
export const peerFiles: readonly {
  readonly path: string;
  readonly role: Role;
  readonly peer: string;
}[] = [
  { path: "test/programs/inband.test.ts", role: "back-end", peer: "User Mode Linux 6.1" },
  { path: "test/programs/device-requests.test.ts", role: "back-end", peer: "QEMU 7.2" },
  { path: "test/programs/guest.test.ts", role: "back-end", peer: "QEMU 7.2 with a Linux guest" },
  {
    path: "test/component/endpoints/devices/crypto/recorded-crypto.test.ts",
    role: "back-end",
    peer: "QEMU 7.2 (recorded)",
  },
];

/** What a role does not do, on purpose; that it says so is tested. */
export const refusals: readonly {
  readonly name: string;
  readonly role: Role;
  readonly why: string;
}[] = [
  {
    name: "VHOST_USER_PROTOCOL_F_XEN_MMAP",
    role: "client",
    why: "there is no Xen guest; regions of 40 bytes are decoded",
  },
  {
    name: "VHOST_USER_PROTOCOL_F_XEN_MMAP",
    role: "back-end",
    why: "never offered; regions of 40 bytes are decoded",
  },
  ...["PROTOCOL_F_PAGEFAULT", "POSTCOPY_ADVISE", "POSTCOPY_LISTEN", "POSTCOPY_END"].map((name) => ({
    name: `VHOST_USER_${name}`,
    role: "client" as const,
    why: "post-copy needs a virtual machine that stops at faults",
  })),
];

const P = "VHOST_USER_PROTOCOL_F_";
const V = "VHOST_USER_";
const B = "VHOST_USER_BACKEND_";

const sharing = [
  `${V}GET_SHARED_OBJECT`,
  `${B}SHARED_OBJECT_ADD`,
  `${B}SHARED_OBJECT_REMOVE`,
  `${B}SHARED_OBJECT_LOOKUP`,
  `${P}SHARED_OBJECT`,
];
const sharedMemory = [`${V}GET_SHMEM_CONFIG`, `${B}SHMEM_MAP`, `${B}SHMEM_UNMAP`, `${P}SHMEM`];
const newest = [
  `${V}GET_VRING_BASE_SKIP_DRAIN`,
  `${P}GET_VRING_BASE_SKIP_DRAIN`,
  `${P}GET_VRING_BASE_INFLIGHT`,
  `${P}GPA_ADDRESSES`,
];
const state = [`${V}SET_DEVICE_STATE_FD`, `${V}CHECK_DEVICE_STATE`, `${P}DEVICE_STATE`];
const postcopy = [
  `${V}POSTCOPY_ADVISE`,
  `${V}POSTCOPY_LISTEN`,
  `${V}POSTCOPY_END`,
  `${P}PAGEFAULT`,
];

/**
 * Debian 12 is what tests run on: QEMU and its storage daemon 7.2, virtiofsd 7.2 (C), DPDK 22.11, User
 * Mode Linux 6.1. "Searched" names the sources in which an implementation was looked for.
 */
const NEWER = "implemented by programs newer than those of Debian 12";

/** Why no real program is named, by role. */
export const reasons: readonly {
  readonly role: Role;
  readonly names: readonly string[];
  readonly why: string;
}[] = [
  ...(["client", "back-end"] as const).flatMap((role) => [
    {
      role,
      names: sharing,
      why: `${NEWER} (QEMU 9, rust-vmm); QEMU 7.2, DPDK 22.11 and virtio_uml.c were searched`,
    },
    {
      role,
      names: sharedMemory,
      why: `${NEWER} (rust-vmm, crosvm, QEMU 11); QEMU 7.2, DPDK 22.11 and virtio_uml.c were searched`,
    },
    {
      role,
      names: newest,
      why: `${NEWER} (QEMU 11); QEMU 7.2, DPDK 22.11 and virtio_uml.c were searched`,
    },
    { role, names: state, why: `${NEWER} (QEMU 8.2, virtiofsd in Rust)` },
    { role, names: [`${V}RESET_OWNER`], why: "deprecated: no front-end sends it" },
    {
      role,
      names: [`${V}SET_VRING_ENDIAN`, `${P}CROSS_ENDIAN`],
      why: "QEMU sends it for legacy guests of the other byte order; DPDK, libvhost-user and virtio_uml.c do not know it",
    },
    {
      role,
      names: [`${P}XEN_MMAP`],
      why: "refused; Xen's front-end and rust-vmm built for Xen know it",
    },
  ]),
  {
    role: "client",
    names: postcopy,
    why: "refused: post-copy needs a virtual machine that stops at faults",
  },
  {
    role: "client",
    names: [`${V}CREATE_CRYPTO_SESSION`, `${V}CLOSE_CRYPTO_SESSION`, `${P}CRYPTO_SESSION`],
    why: "DPDK's example vhost_crypto serves it and is in no package; QEMU, virtiofsd and rust-vmm were searched",
  },
  {
    role: "client",
    names: [`${V}GPU_SET_SOCKET`],
    why: "QEMU's vhost-user-gpu serves it and is in no package of Debian 12",
  },
  {
    role: "back-end",
    names: [`${V}GPU_SET_SOCKET`],
    why: "QEMU 7.2 sends it when a guest's driver starts, and has vhost-user-gpu with a working KVM only",
  },
  {
    role: "client",
    names: [`${V}RESET_DEVICE`, `${P}RESET_DEVICE`],
    why: "libvhost-user, DPDK and User Mode Linux do not know it; rust-vmm does",
  },
  {
    role: "back-end",
    names: [`${V}RESET_DEVICE`],
    why: "QEMU 7.2 sends it for SCSI devices only, newer ones for all",
  },
  {
    role: "back-end",
    names: [`${V}SET_CONFIG`],
    why: "QEMU 7.2 sends it where a disk's cache can be switched, which our disk does not offer",
  },
  { role: "back-end", names: [`${V}REM_MEM_REG`], why: "QEMU sends it when memory is unplugged" },
  {
    role: "back-end",
    names: [`${V}SET_LOG_FD`],
    why: "no front-end sends it: QEMU, DPDK, SPDK and virtio_uml.c were searched",
  },
  {
    role: "client",
    names: [`${V}VRING_KICK`, `${B}VRING_CALL`, `${B}VRING_ERR`, `${P}INBAND_NOTIFICATIONS`],
    why: "libvhost-user serves it for devices that ask, none of QEMU's does; DPDK and rust-vmm do not know it",
  },
  {
    role: "back-end",
    names: [`${B}VRING_ERR`],
    why: "virtio_uml.c takes in-band calls and knows no errors; QEMU, DPDK and rust-vmm know neither",
  },
  {
    role: "client",
    names: [`${B}VRING_HOST_NOTIFIER_MSG`, `${P}HOST_NOTIFIER`, `${P}BACKEND_SEND_FD`],
    why: "DPDK sends it for hardware (vDPA) only; qemu-storage-daemon and virtiofsd do not",
  },
  {
    role: "client",
    names: [`${B}CONFIG_CHANGE_MSG`],
    why: "qemu-storage-daemon 7.2 does not send it when its node is resized (tried), later ones do; virtiofsd and net_vhost have nothing that changes",
  },
];
