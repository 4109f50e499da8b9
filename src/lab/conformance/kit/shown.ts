/** Returns any value as reports show it: masks and large numbers in hexadecimal, an empty list in words. */
export function shown(value: unknown): string {
  if (typeof value === "bigint") return value < 10n ? String(value) : `0x${value.toString(16)}`;
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.length === 0) return "none";
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "bigint" ? `0x${inner.toString(16)}` : inner,
  );
}
