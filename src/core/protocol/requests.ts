/**
 * Request numbers of both directions. The two numberings are independent: 1 on the main socket is
 * GET_FEATURES, 1 on the back-end channel is an IOTLB message.
 */

/** The requests of a front-end on the main socket (specification: "Front-end message types"). */
export const FrontendRequest = {
  /** VHOST_USER_GET_FEATURES */
  GetFeatures: 1,
  /** VHOST_USER_SET_FEATURES */
  SetFeatures: 2,
  /** VHOST_USER_SET_OWNER */
  SetOwner: 3,
  /** VHOST_USER_RESET_OWNER */
  ResetOwner: 4,
  /** VHOST_USER_SET_MEM_TABLE */
  SetMemTable: 5,
  /** VHOST_USER_SET_LOG_BASE */
  SetLogBase: 6,
  /** VHOST_USER_SET_LOG_FD */
  SetLogFd: 7,
  /** VHOST_USER_SET_VRING_NUM */
  SetVringNum: 8,
  /** VHOST_USER_SET_VRING_ADDR */
  SetVringAddr: 9,
  /** VHOST_USER_SET_VRING_BASE */
  SetVringBase: 10,
  /** VHOST_USER_GET_VRING_BASE */
  GetVringBase: 11,
  /** VHOST_USER_SET_VRING_KICK */
  SetVringKick: 12,
  /** VHOST_USER_SET_VRING_CALL */
  SetVringCall: 13,
  /** VHOST_USER_SET_VRING_ERR */
  SetVringErr: 14,
  /** VHOST_USER_GET_PROTOCOL_FEATURES */
  GetProtocolFeatures: 15,
  /** VHOST_USER_SET_PROTOCOL_FEATURES */
  SetProtocolFeatures: 16,
  /** VHOST_USER_GET_QUEUE_NUM */
  GetQueueNum: 17,
  /** VHOST_USER_SET_VRING_ENABLE */
  SetVringEnable: 18,
  /** VHOST_USER_SEND_RARP */
  SendRarp: 19,
  /** VHOST_USER_NET_SET_MTU */
  NetSetMtu: 20,
  /** VHOST_USER_SET_BACKEND_REQ_FD */
  SetBackendReqFd: 21,
  /** VHOST_USER_IOTLB_MSG */
  IotlbMsg: 22,
  /** VHOST_USER_SET_VRING_ENDIAN */
  SetVringEndian: 23,
  /** VHOST_USER_GET_CONFIG */
  GetConfig: 24,
  /** VHOST_USER_SET_CONFIG */
  SetConfig: 25,
  /** VHOST_USER_CREATE_CRYPTO_SESSION */
  CreateCryptoSession: 26,
  /** VHOST_USER_CLOSE_CRYPTO_SESSION */
  CloseCryptoSession: 27,
  /** VHOST_USER_POSTCOPY_ADVISE */
  PostcopyAdvise: 28,
  /** VHOST_USER_POSTCOPY_LISTEN */
  PostcopyListen: 29,
  /** VHOST_USER_POSTCOPY_END */
  PostcopyEnd: 30,
  /** VHOST_USER_GET_INFLIGHT_FD */
  GetInflightFd: 31,
  /** VHOST_USER_SET_INFLIGHT_FD */
  SetInflightFd: 32,
  /** VHOST_USER_GPU_SET_SOCKET */
  GpuSetSocket: 33,
  /** VHOST_USER_RESET_DEVICE */
  ResetDevice: 34,
  /** VHOST_USER_VRING_KICK */
  VringKick: 35,
  /** VHOST_USER_GET_MAX_MEM_SLOTS */
  GetMaxMemSlots: 36,
  /** VHOST_USER_ADD_MEM_REG */
  AddMemReg: 37,
  /** VHOST_USER_REM_MEM_REG */
  RemMemReg: 38,
  /** VHOST_USER_SET_STATUS */
  SetStatus: 39,
  /** VHOST_USER_GET_STATUS */
  GetStatus: 40,
  /** VHOST_USER_GET_SHARED_OBJECT */
  GetSharedObject: 41,
  /** VHOST_USER_SET_DEVICE_STATE_FD */
  SetDeviceStateFd: 42,
  /** VHOST_USER_CHECK_DEVICE_STATE */
  CheckDeviceState: 43,
  /** VHOST_USER_GET_SHMEM_CONFIG */
  GetShmemConfig: 44,
  /** VHOST_USER_GET_VRING_BASE_SKIP_DRAIN */
  GetVringBaseSkipDrain: 45,
} as const;
export type FrontendRequest = (typeof FrontendRequest)[keyof typeof FrontendRequest];

/** The requests of a back-end on the channel of SET_BACKEND_REQ_FD ("Back-end message types"). */
export const BackendRequest = {
  /** VHOST_USER_BACKEND_IOTLB_MSG */
  IotlbMsg: 1,
  /** VHOST_USER_BACKEND_CONFIG_CHANGE_MSG */
  ConfigChangeMsg: 2,
  /** VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG */
  VringHostNotifierMsg: 3,
  /** VHOST_USER_BACKEND_VRING_CALL */
  VringCall: 4,
  /** VHOST_USER_BACKEND_VRING_ERR */
  VringErr: 5,
  /** VHOST_USER_BACKEND_SHARED_OBJECT_ADD */
  SharedObjectAdd: 6,
  /** VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE */
  SharedObjectRemove: 7,
  /** VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP */
  SharedObjectLookup: 8,
  /** VHOST_USER_BACKEND_SHMEM_MAP */
  ShmemMap: 9,
  /** VHOST_USER_BACKEND_SHMEM_UNMAP */
  ShmemUnmap: 10,
} as const;
export type BackendRequest = (typeof BackendRequest)[keyof typeof BackendRequest];

/** The numbering that a request number belongs to: a reply keeps the direction of its request. */
export type Direction = "front-end" | "back-end";
