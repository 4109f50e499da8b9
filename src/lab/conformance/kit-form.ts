/** The form of a kit, without the checks of the suite: for commands that need only its device type. */
export { isKit, type Kit, kitProblem } from "./kit/kit.ts";
