/**
 * How often a test does something: `few` times in `npm test`, `full` times in `npm run test:long`,
 * which runs every file that asks here once more.
 */
export function fullCount(full: number, few = 5): number {
  return process.env["VHOST_USER_FULL_COUNTS"] === "1" ? full : few;
}
