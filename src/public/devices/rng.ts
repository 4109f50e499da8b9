/**
 * `vhost-user/devices/rng`: entropy devices (VIRTIO 5.4).
 *
 * - {@link RngDriver} reads random bytes from a back-end
 * - {@link RngDevice} delivers them; {@link EntropyBudget} limits how many, for several devices together
 */
export { rngKind } from "../../endpoints/devices/rng/kind.ts";
export {
  EntropyBudget,
  type EntropyBudgetOptions,
  RngDevice,
  type RngDeviceOptions,
  RngDriver,
} from "../../endpoints/devices/rng/index.ts";
