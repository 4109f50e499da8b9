/** Returns the code of a failed system call, such as `ENOENT`; undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
  const isSystem = error instanceof Error && "syscall" in error && "code" in error;
  return isSystem ? String(error.code) : undefined;
}
