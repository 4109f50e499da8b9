import { counted, ProtocolError, RemoteError } from "../../core/base/index.ts";
import type { OwnedFd } from "../../core/os/index.ts";
import {
  type Config,
  type CryptoSession,
  type DeviceStateParams,
  FrontendRequest,
  type Inflight,
  type Iotlb,
  type Log,
  type MemoryRegion,
  type MemoryTable,
  type PayloadOf,
  type ReplyOf,
  type SharedObject,
  type ShmemConfig,
  type VringAddress,
} from "../../core/protocol/index.ts";
import type { Caller, CallOptions, Negotiation } from "../../core/session/index.ts";

/** The value of a reply and its descriptor, which the caller closes. */
export interface WithFd<T> {
  readonly value: T;
  readonly fd: OwnedFd | undefined;
}

/**
 * Every request of a front-end as a method. Each sends before it returns, so that several may be
 * outstanding, and resolves once the reply that is due has come; with REPLY_ACK negotiated that is so
 * for all of them. Addresses and 64-bit sizes are bigint.
 *
 * @see "Front-end message types" in the vhost-user specification
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 *
 * const client = await Client.connect("disk.sock");
 * console.log(await client.requests.getQueueNum());
 * console.log(await client.requests.getConfig(0, 8));
 * await client.close();
 * ```
 */
export class FrontendRequests {
  readonly #caller: Caller;
  readonly negotiation: Negotiation;

  constructor(caller: Caller, negotiation: Negotiation) {
    this.#caller = caller;
    this.negotiation = negotiation;
  }

  /** Sends any request, with its own types. Descriptors of the reply are closed. */
  async call<R extends FrontendRequest>(
    request: R,
    payload: PayloadOf<R>,
    options?: CallOptions,
  ): Promise<ReplyOf<R>> {
    const { value, fds } = await this.#caller.call(request, payload, options);
    for (const fd of fds) fd.close();
    return value as ReplyOf<R>;
  }

  /** Like {@link call}, for replies that may bring a descriptor. */
  async callWithFd<R extends FrontendRequest>(
    request: R,
    payload: PayloadOf<R>,
    options?: CallOptions,
  ): Promise<WithFd<ReplyOf<R>>> {
    const { value, fds } = await this.#caller.call(request, payload, options);
    const [fd, ...surplus] = fds;
    for (const extra of surplus) extra.close();
    return { value: value as ReplyOf<R>, fd };
  }

  /** VHOST_USER_GET_FEATURES: the virtio features that the back-end offers. */
  async getFeatures(o?: CallOptions): Promise<bigint> {
    const offered = await this.call(FrontendRequest.GetFeatures, undefined, o);
    this.negotiation.offered = offered;
    return offered;
  }

  /** VHOST_USER_SET_FEATURES */
  async setFeatures(features: bigint, o?: CallOptions): Promise<void> {
    await this.call(FrontendRequest.SetFeatures, features, o);
    this.negotiation.features = features;
  }

  /** VHOST_USER_SET_OWNER */
  async setOwner(o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetOwner, undefined, o);
  }

  /** VHOST_USER_RESET_OWNER; deprecated by the specification, peers disagree about its effect. */
  async resetOwner(o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.ResetOwner, undefined, o);
  }

  /** VHOST_USER_SET_MEM_TABLE: descriptor i belongs to region i. */
  async setMemTable(regions: readonly MemoryRegion[], fds: readonly OwnedFd[], o?: CallOptions) {
    const table: MemoryTable = { regions: [...regions] };
    return this.call(FrontendRequest.SetMemTable, table, { ...o, fds });
  }

  /** VHOST_USER_SET_LOG_BASE */
  async setLogBase(log: Log, fd: OwnedFd | undefined, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetLogBase, log, { ...o, fds: fd ? [fd] : [] });
  }

  /** VHOST_USER_SET_LOG_FD */
  async setLogFd(fd: OwnedFd, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetLogFd, undefined, { ...o, fds: [fd] });
  }

  /** VHOST_USER_SET_VRING_NUM */
  async setVringNum(index: number, num: number, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetVringNum, { index, num }, o);
  }

  /** VHOST_USER_SET_VRING_ADDR */
  async setVringAddr(address: VringAddress, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetVringAddr, address, o);
  }

  /** VHOST_USER_SET_VRING_BASE */
  async setVringBase(index: number, num: number, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetVringBase, { index, num }, o);
  }

  /** VHOST_USER_GET_VRING_BASE: stops the ring; the next available index of a split ring. */
  async getVringBase(index: number, o?: CallOptions): Promise<number> {
    return (await this.call(FrontendRequest.GetVringBase, { index, num: 0 }, o)).num;
  }

  /** VHOST_USER_SET_VRING_KICK: starts the ring; without a descriptor the back-end polls. */
  async setVringKick(index: number, fd: OwnedFd | undefined, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetVringKick, ...withEvent(index, fd, o));
  }

  /** VHOST_USER_SET_VRING_CALL; without a descriptor there are no calls. */
  async setVringCall(index: number, fd: OwnedFd | undefined, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetVringCall, ...withEvent(index, fd, o));
  }

  /** VHOST_USER_SET_VRING_ERR */
  async setVringErr(index: number, fd: OwnedFd | undefined, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetVringErr, ...withEvent(index, fd, o));
  }

  /** VHOST_USER_GET_PROTOCOL_FEATURES */
  async getProtocolFeatures(o?: CallOptions): Promise<bigint> {
    const offered = await this.call(FrontendRequest.GetProtocolFeatures, undefined, o);
    this.negotiation.offeredProtocolFeatures = offered;
    return offered;
  }

  /** VHOST_USER_SET_PROTOCOL_FEATURES */
  async setProtocolFeatures(features: bigint, o?: CallOptions): Promise<void> {
    await this.call(FrontendRequest.SetProtocolFeatures, features, o);
    this.negotiation.protocolFeatures = features;
  }

  /** VHOST_USER_GET_QUEUE_NUM: queues, for net devices mostly queue pairs. */
  async getQueueNum(o?: CallOptions): Promise<bigint> {
    return this.call(FrontendRequest.GetQueueNum, undefined, o);
  }

  /** VHOST_USER_SET_VRING_ENABLE */
  async setVringEnable(index: number, enabled: boolean, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetVringEnable, { index, num: enabled ? 1 : 0 }, o);
  }

  /**
   * VHOST_USER_SEND_RARP.
   *
   * @param mac six bytes, first byte lowest
   */
  async sendRarp(mac: bigint, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SendRarp, mac, o);
  }

  /** VHOST_USER_NET_SET_MTU */
  async netSetMtu(mtu: number, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.NetSetMtu, BigInt(mtu), o);
  }

  /** VHOST_USER_SET_BACKEND_REQ_FD: one end of a socket pair. */
  async setBackendReqFd(fd: OwnedFd, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetBackendReqFd, undefined, { ...o, fds: [fd] });
  }

  /** VHOST_USER_IOTLB_MSG */
  async iotlbMsg(message: Iotlb, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.IotlbMsg, message, o);
  }

  /** VHOST_USER_SET_VRING_ENDIAN */
  async setVringEndian(index: number, bigEndian: boolean, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetVringEndian, { index, num: bigEndian ? 1 : 0 }, o);
  }

  /**
   * VHOST_USER_GET_CONFIG: `size` bytes of the configuration space.
   *
   * @throws {RemoteError} the back-end refused: the space has fewer bytes, or there is none
   * @throws {ProtocolError} it answered with another number of bytes
   */
  async getConfig(offset: number, size: number, o?: CallOptions): Promise<Uint8Array> {
    const asked: Config = { offset, flags: 0, data: new Uint8Array(size) };
    const reply = await this.call(FrontendRequest.GetConfig, asked, o);
    const request = "VHOST_USER_GET_CONFIG";
    if (reply === undefined || (reply.data.length === 0 && size > 0)) {
      throw new RemoteError(
        request,
        `${request}: the peer refused ${counted(size, "byte")} at offset ${offset}; ` +
          `the device's configuration space may be smaller`,
      );
    }
    if (reply.data.length !== size) {
      const [expected, actual] = [counted(size, "byte"), counted(reply.data.length, "byte")];
      throw new ProtocolError(
        `${request} reply: expected ${expected} of the configuration space, got ${actual}`,
        { request, field: "size", expected, actual },
      );
    }
    return reply.data;
  }

  /**
   * VHOST_USER_GET_CONFIG from offset 0, with the largest size that the back-end accepts.
   *
   * @param sizes sizes to request, largest first: many back-ends refuse more than they have
   * @throws {RemoteError} the back-end refused all sizes
   */
  async getLargestConfig(sizes: readonly number[], o?: CallOptions): Promise<Uint8Array> {
    const [size = 0, ...smaller] = sizes;
    try {
      return await this.getConfig(0, size, o);
    } catch (error) {
      if (smaller.length === 0 || !(error instanceof RemoteError)) throw error;
      return this.getLargestConfig(smaller, o);
    }
  }

  /**
   * VHOST_USER_SET_CONFIG.
   *
   * @param flags 0 the driver writes, 1 migration
   */
  async setConfig(offset: number, data: Uint8Array, flags = 0, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetConfig, { offset, flags, data }, o);
  }

  /** VHOST_USER_CREATE_CRYPTO_SESSION */
  async createCryptoSession(session: CryptoSession, o?: CallOptions): Promise<CryptoSession> {
    return this.call(FrontendRequest.CreateCryptoSession, session, o);
  }

  /** VHOST_USER_CLOSE_CRYPTO_SESSION */
  async closeCryptoSession(id: bigint, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.CloseCryptoSession, id, o);
  }

  /** VHOST_USER_POSTCOPY_ADVISE: the userfault descriptor; none means that it failed. */
  async postcopyAdvise(o?: CallOptions): Promise<WithFd<void>> {
    return this.callWithFd(FrontendRequest.PostcopyAdvise, undefined, o);
  }

  /** VHOST_USER_POSTCOPY_LISTEN */
  async postcopyListen(o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.PostcopyListen, undefined, o);
  }

  /** VHOST_USER_POSTCOPY_END: 0 is success. */
  async postcopyEnd(o?: CallOptions): Promise<bigint> {
    return this.call(FrontendRequest.PostcopyEnd, undefined, o);
  }

  /** VHOST_USER_GET_INFLIGHT_FD */
  async getInflightFd(asked: Inflight, o?: CallOptions): Promise<WithFd<Inflight>> {
    return this.callWithFd(FrontendRequest.GetInflightFd, asked, o);
  }

  /** VHOST_USER_SET_INFLIGHT_FD */
  async setInflightFd(inflight: Inflight, fd: OwnedFd, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetInflightFd, inflight, { ...o, fds: [fd] });
  }

  /** VHOST_USER_GPU_SET_SOCKET */
  async gpuSetSocket(fd: OwnedFd, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.GpuSetSocket, undefined, { ...o, fds: [fd] });
  }

  /** VHOST_USER_RESET_DEVICE */
  async resetDevice(o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.ResetDevice, undefined, o);
  }

  /** VHOST_USER_VRING_KICK: a kick as a message. */
  async vringKick(index: number, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.VringKick, { index, num: 0 }, o);
  }

  /** VHOST_USER_GET_MAX_MEM_SLOTS */
  async getMaxMemSlots(o?: CallOptions): Promise<bigint> {
    return this.call(FrontendRequest.GetMaxMemSlots, undefined, o);
  }

  /** VHOST_USER_ADD_MEM_REG */
  async addMemReg(region: MemoryRegion, fd: OwnedFd, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.AddMemReg, { region }, { ...o, fds: [fd] });
  }

  /** VHOST_USER_REM_MEM_REG */
  async remMemReg(region: MemoryRegion, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.RemMemReg, { region }, o);
  }

  /** VHOST_USER_SET_STATUS */
  async setStatus(status: number, o?: CallOptions): Promise<void> {
    return this.call(FrontendRequest.SetStatus, BigInt(status), o);
  }

  /** VHOST_USER_GET_STATUS */
  async getStatus(o?: CallOptions): Promise<number> {
    return Number(await this.call(FrontendRequest.GetStatus, undefined, o));
  }

  /** VHOST_USER_GET_SHARED_OBJECT: no descriptor means that there is no such object. */
  async getSharedObject(object: SharedObject, o?: CallOptions): Promise<OwnedFd | undefined> {
    return (await this.callWithFd(FrontendRequest.GetSharedObject, object, o)).fd;
  }

  /** VHOST_USER_SET_DEVICE_STATE_FD: a descriptor in the reply takes the place of the one sent. */
  async setDeviceStateFd(
    params: DeviceStateParams,
    fd: OwnedFd,
    o?: CallOptions,
  ): Promise<WithFd<bigint>> {
    return this.callWithFd(FrontendRequest.SetDeviceStateFd, params, { ...o, fds: [fd] });
  }

  /** VHOST_USER_CHECK_DEVICE_STATE: 0 is success. */
  async checkDeviceState(o?: CallOptions): Promise<bigint> {
    return this.call(FrontendRequest.CheckDeviceState, undefined, o);
  }

  /** VHOST_USER_GET_SHMEM_CONFIG */
  async getShmemConfig(o?: CallOptions): Promise<ShmemConfig> {
    return this.call(FrontendRequest.GetShmemConfig, undefined, o);
  }

  /** VHOST_USER_GET_VRING_BASE_SKIP_DRAIN: as GET_VRING_BASE, leaving requests in flight. */
  async getVringBaseSkipDrain(index: number, o?: CallOptions): Promise<number> {
    return (await this.call(FrontendRequest.GetVringBaseSkipDrain, { index, num: 0 }, o)).num;
  }
}

function withEvent(
  index: number,
  fd: OwnedFd | undefined,
  o: CallOptions | undefined,
): [{ index: number; noFd: boolean }, CallOptions] {
  return [
    { index, noFd: fd === undefined },
    { ...o, fds: fd ? [fd] : [] },
  ];
}
