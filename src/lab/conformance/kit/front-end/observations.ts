import { FrontendRequest } from "../../../../core/protocol/index.ts";
import type { Observation } from "../../../engine/index.ts";
import type { Hears } from "../exchange.ts";

const SHOWS: ReadonlyMap<number, Observation> = new Map([
  [FrontendRequest.SetOwner, "negotiation"],
  [FrontendRequest.SetFeatures, "negotiation"],
  [FrontendRequest.SetProtocolFeatures, "negotiation"],
  [FrontendRequest.SetMemTable, "memory"],
  [FrontendRequest.AddMemReg, "memory"],
  [FrontendRequest.SetVringKick, "start"],
  [FrontendRequest.VringKick, "start"],
  [FrontendRequest.GetVringBase, "stop"],
  [FrontendRequest.GetVringBaseSkipDrain, "stop"],
  [FrontendRequest.GetConfig, "config"],
  [FrontendRequest.SetConfig, "config"],
]);

/** Returns what a message of a front-end shows: on the back-end's own channel it sends replies. */
export const frontendShows: Hears = (direction, { request }) => {
  if (direction === "back-end") return ["reply"];
  const more = SHOWS.get(request);
  return more === undefined ? ["request"] : ["request", more];
};
