/** What the Trace Event Format asks of a file, one line for each thing that is wrong. */
interface Raw {
  readonly name?: unknown;
  readonly ph?: unknown;
  readonly pid?: unknown;
  readonly tid?: unknown;
  readonly ts?: unknown;
  readonly dur?: unknown;
  readonly id?: unknown;
  readonly bp?: unknown;
  readonly args?: unknown;
}

/** Times are nanoseconds, divided. */
const ROUNDING_US = 1e-4;

const PHASES: ReadonlySet<unknown> = new Set(['X', 'M', 's', 'f']);

export function traceFaults(text: string): string[] {
  const out: string[] = [];
  const { traceEvents } = JSON.parse(text) as { readonly traceEvents: readonly Raw[] };
  if (!Array.isArray(traceEvents)) return ['no list of traceEvents'];
  const named = new Set(traceEvents.filter(({ ph, name }) => ph === 'M' && name === 'thread_name').map(({ pid, tid }) => `${pid}.${tid}`));
  const slices = new Map<string, Raw[]>();
  traceEvents.forEach((event, i) => {
    const bad = (what: string): void => void out.push(`event ${i}: ${what}`);
    if (typeof event.name !== 'string' || event.name === '') bad('no name');
    if (!PHASES.has(event.ph)) bad(`phase ${String(event.ph)}`);
    if (!Number.isInteger(event.pid) || !Number.isInteger(event.tid)) bad('no track');
    if (event.ph === 'M') return;
    if (typeof event.ts !== 'number' || !(event.ts >= 0)) bad(`time ${String(event.ts)}`);
    const track = `${String(event.pid)}.${String(event.tid)}`;
    if (!named.has(track)) bad(`track ${track} has no name`);
    if (event.ph !== 'X') return;
    if (typeof event.dur !== 'number' || !(event.dur >= 0)) bad(`duration ${String(event.dur)}`);
    slices.set(track, [...(slices.get(track) ?? []), event]);
  });
  for (const [track, own] of slices) {
    own.forEach((slice, i) => {
      const before = own[i - 1];
      if (before === undefined) return;
      if ((slice.ts as number) < (before.ts as number)) out.push(`track ${track}: slice ${i} begins before the one ahead of it`);
      else if ((before.ts as number) + (before.dur as number) > (slice.ts as number) + ROUNDING_US) out.push(`track ${track}: slice ${i} begins within the one ahead of it`);
    });
  }
  return [...out, ...flowFaults(traceEvents, slices)];
}

/** Each flow has two ends, and each end lies on a slice of its track. */
function flowFaults(traceEvents: readonly Raw[], slices: ReadonlyMap<string, readonly Raw[]>): string[] {
  const out: string[] = [];
  const ends = new Map<unknown, Raw[]>();
  for (const event of traceEvents) if (event.ph === 's' || event.ph === 'f') ends.set(event.id, [...(ends.get(event.id) ?? []), event]);
  const starts = new Map([...slices].map(([track, own]) => [track, new Set(own.map(({ ts }) => ts))]));
  for (const [id, flow] of ends) {
    if (flow.map(({ ph }) => ph).join('') !== 'sf') out.push(`flow ${String(id)}: its ends are ${flow.map(({ ph }) => ph).join(', ')}`);
    for (const { ph, pid, tid, ts, bp } of flow) {
      if (starts.get(`${String(pid)}.${String(tid)}`)?.has(ts) !== true) out.push(`flow ${String(id)}: end ${String(ph)} lies on no slice`);
      if (ph === 'f' && bp !== 'e') out.push(`flow ${String(id)}: its end is not bound to the slice around it`);
    }
  }
  return out;
}
