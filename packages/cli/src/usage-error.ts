/** The command line or a file that it names cannot be used. The message is one line that says what was expected; exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** The system refused a file: `trace.strace: cannot be read: permission denied`. */
export function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied', EISDIR: 'is a directory', ELOOP: 'too many symbolic links', EMFILE: 'too many open files',
  ENAMETOOLONG: 'name too long', ENOENT: 'no such file or directory', ENOSPC: 'no space left', ENOTDIR: 'a part of the path is no directory',
  EPERM: 'operation not permitted', EROFS: 'read-only file system', EIO: 'input/output error', EEXIST: 'exists already',
};

export function fileErrorWord({ code = 'unknown error' }: NodeJS.ErrnoException): string {
  return WORDS[code] ?? code;
}

export function fileErrorLine(error: NodeJS.ErrnoException): string {
  return `${error.path ?? 'a file'}: ${error.syscall ?? 'access'} failed: ${fileErrorWord(error)}`;
}
