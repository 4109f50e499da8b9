/**
 * Returns the text of `--help` about starting QEMU with a device of `serve`. The guides have the
 * same arguments, and a test starts QEMU with both.
 */
export function qemuHelp(device: readonly string[], note = ""): string {
  const lines = [
    "qemu-system-x86_64 -machine q35,memory-backend=mem -m 1G",
    "-object memory-backend-memfd,id=mem,size=1G,share=on",
    ...device,
  ];
  return `\n\nWith QEMU (share=on lets serve map the guest's memory${note}):\n  $ ${lines.join(" \\\n      ")}`;
}
