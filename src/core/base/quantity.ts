/**
 * Formats a count with its noun: `1 check`, `2 checks`.
 *
 * @param count a number, or a number as text
 */
export function counted(
  count: number | bigint | string,
  singular: string,
  plural = `${singular}s`,
): string {
  return `${count} ${String(count) === "1" ? singular : plural}`;
}

/** Formats a range with its noun: `1 queue` if both ends are 1, else `1 to 4 queues`. */
export function countedRange(
  least: number,
  most: number,
  singular: string,
  plural = `${singular}s`,
): string {
  if (least === most) return counted(most, singular, plural);
  return `${least} to ${counted(most, singular, plural)}`;
}
