/** Returns the header of a block request (VIRTIO 5.2.6). */
export function blockHeader(type: number, sector = 0n): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, sector, true);
  return bytes;
}
