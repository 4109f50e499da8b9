import { CaseFailure } from "../../../engine/index.ts";

/** A front-end that was started sent nothing at all. */
export class SilentFrontend extends CaseFailure {
  /**
   * @param connected whether it connected
   * @param actual what it did instead
   */
  constructor(connected: boolean, actual: string) {
    const what = connected ? "connects and sends nothing" : "does not connect";
    super(`the front-end ${what}`, { expected: "messages", actual });
  }
}
