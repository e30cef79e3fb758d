/** The fields of /proc/PID/stat that exec decides. Addresses in bytes; 0 where the kernel hid them. */
export interface ProcStat {
  readonly comm: string;
  /** Field 28: inside the [stack] row. */
  readonly startStack: number;
  /** Field 47: where [heap] begins. */
  readonly startBrk: number;
  /** Field 48: the strings of argv and envp begin here. */
  readonly argStart: number;
}

/** Reads /proc/PID/stat; null where a field is missing. The name stands in brackets and may hold brackets and blanks. */
export function parseStat(text: string): ProcStat | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return null;
  const fields = text.slice(close + 1).trim().split(/\s+/);
  const field = (number: number): number => Number(fields[number - 3]);
  const stat = { comm: text.slice(open + 1, close), startStack: field(28), startBrk: field(47), argStart: field(48) };
  return stat.startStack >= 0 && stat.startBrk >= 0 && stat.argStart >= 0 ? stat : null;
}
