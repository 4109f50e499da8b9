import { bootedExitCode, debugExitPort, sectorSize } from "../guest/boot-sector.ts";

const loadAddress = 0x7c00;
const signatureOffset = 510;
/** QEMU ends with {@link bootedExitCode} = 2 v + 1 when v is written to the port. */
const exitValue = (bootedExitCode - 1) / 2;

/**
 * A boot sector that goes from real mode straight to long mode and then ends QEMU by one write to
 * isa-debug-exit. Real mode, paging and 64-bit code: each is a place where a half-working KVM
 * (nested, emulated) gets slow or stuck, and every Linux guest has to pass them.
 */
export function longModeSector(): Uint8Array {
  const word = (value: number): [number, number] => [value & 0xff, value >> 8];
  const start = [
    [0xfa], // cli
    [0x31, 0xc0], // xor ax, ax
    [0x8e, 0xd8], // mov ds, ax
    [0x8e, 0xc0], // mov es, ax
    [0xbf, 0x00, 0x10], // mov di, 0x1000      page tables: three pages of zeros
    [0xb9, 0x00, 0x18], // mov cx, 0x1800      words
    [0xfc], // cld
    [0xf3, 0xab], // rep stosw
    [0xc7, 0x06, 0x00, 0x10, 0x03, 0x20], // mov word [0x1000], 0x2003  PML4[0] → PDPT, present, writable
    [0xc7, 0x06, 0x00, 0x20, 0x03, 0x30], // mov word [0x2000], 0x3003  PDPT[0] → PD
    [0xc7, 0x06, 0x00, 0x30, 0x83, 0x00], // mov word [0x3000], 0x0083  PD[0]: 2 MiB at 0, one page
    [0x66, 0xb8, 0x20, 0x00, 0x00, 0x00], // mov eax, 0x20      PAE
    [0x0f, 0x22, 0xe0], // mov cr4, eax
    [0x66, 0xb8, 0x00, 0x10, 0x00, 0x00], // mov eax, 0x1000
    [0x0f, 0x22, 0xd8], // mov cr3, eax
    [0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0], // mov ecx, 0xc0000080  EFER
    [0x0f, 0x32], // rdmsr
    [0x0d, 0x00, 0x01], // or ax, 0x100        LME
    [0x0f, 0x30], // wrmsr
  ].flat();
  const enter = (gdtPointer: number, target: number): number[] =>
    [
      [0x0f, 0x01, 0x16, ...word(gdtPointer)], // lgdt [gdtPointer]
      [0x0f, 0x20, 0xc0], // mov eax, cr0
      [0x66, 0x0d, 0x01, 0x00, 0x00, 0x80], // or eax, 0x80000001   PG, PE: long mode from here
      [0x0f, 0x22, 0xc0], // mov cr0, eax
      [0xea, ...word(target), 0x08, 0x00], // jmp 0x08:target
    ].flat();
  const longMode = [
    [0xb0, exitValue], // mov al, exitValue
    [0xe6, debugExitPort], // out 0xf4, al
    [0xf4], // halt: hlt                       reached only without isa-debug-exit
    [0xeb, 0xfd], // jmp halt
  ].flat();
  const target = loadAddress + start.length + enter(0, 0).length;
  const gdt = target + longMode.length;
  const table = [
    [0, 0, 0, 0, 0, 0, 0, 0], // the null descriptor
    [0xff, 0xff, 0, 0, 0, 0x9a, 0xaf, 0], // 0x08: code, ring 0, L = 1, D = 0
  ].flat();
  // Limit, then the linear address in 32 bits.
  const pointer = [...word(table.length - 1), ...word(gdt), 0, 0];
  const sector = new Uint8Array(sectorSize);
  sector.set([...start, ...enter(gdt + table.length, target), ...longMode, ...table, ...pointer]);
  sector.set([0x55, 0xaa], signatureOffset);
  return sector;
}
