/** What races are so often about: one page. */
import type { Vaddr } from '@mmun/include';
import type { Setup } from './define.js';

/** The address of the page. */
export interface Page {
  readonly a: Vaddr;
}

/** An anonymous page in which the process has written 7. */
export function onePage(t: Setup): Page {
  const a = t.mmap(1);
  t.write(a, 7);
  return { a };
}

/** The same, and the device has read it: it may have an entry. */
export function cachedPage(t: Setup): Page {
  const page = onePage(t);
  t.dev.read(page.a);
  return page;
}

/** A page of a file, which the process has read and nobody has written. */
export function sharedPage(t: Setup): Page {
  const a = t.mmap(1, { isShared: true });
  t.read(a);
  return { a };
}
