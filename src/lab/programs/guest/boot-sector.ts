/** The port of `isa-debugcon`: a byte written to it appears in QEMU's character device. */
export const debugConsolePort = 0xe9;
/** The port of `isa-debug-exit`: writing v ends QEMU with exit code 2 v + 1. */
export const debugExitPort = 0xf4;
/** The value that the boot sector writes to {@link debugExitPort}. */
const exitValue = 0x10;
/** QEMU's exit code after the boot sector ran. */
export const bootedExitCode = exitValue * 2 + 1;

export const sectorSize = 512;
/** The address at which the firmware loads sector 0. */
const loadAddress = 0x7c00;
const signatureOffset = 510;
const longestMessage = 480;

/**
 * A boot sector that prints `message` on the debug console and ends QEMU. So a test that sees the
 * message knows that the firmware's virtio driver has read sector 0 of the disk.
 *
 * @param message ASCII, at most 480 characters
 * @throws {RangeError} it is longer, or has a character that is not ASCII
 */
export function bootSector(message: string): Uint8Array {
  // 16-bit real mode; the firmware jumps to 0000:7c00.
  const code = (messageAddress: number): number[] =>
    [
      [0xfc], // cld             lodsb counts up
      [0x31, 0xc0], // xor ax, ax
      [0x8e, 0xd8], // mov ds, ax
      [0xbe, messageAddress & 0xff, messageAddress >> 8], // mov si, message
      [0xac], // next: lodsb
      [0x84, 0xc0], // test al, al
      [0x74, 0x04], // jz done (over the two instructions below)
      [0xe6, debugConsolePort], // out 0xe9, al
      [0xeb, 0xf7], // jmp next (9 bytes back)
      [0xb0, exitValue], // done: mov al, exitValue
      [0xe6, debugExitPort], // out 0xf4, al
      [0xf4], // halt: hlt       reached only without isa-debug-exit
      [0xeb, 0xfd], // jmp halt
    ].flat();
  const messageOffset = code(0).length;
  if (message.length > longestMessage || !/^\p{ASCII}*$/u.test(message) || message.includes("\0")) {
    throw new RangeError(`the boot message must be ASCII and at most ${longestMessage} characters`);
  }
  const sector = new Uint8Array(sectorSize);
  sector.set(code(loadAddress + messageOffset));
  sector.set(Buffer.from(`${message}\0`, "ascii"), messageOffset);
  // The signature by which firmware knows a bootable disk.
  sector.set([0x55, 0xaa], signatureOffset);
  return sector;
}
