/** All races that come with mmun, in the order of the table. A new one is a file of `catalogue/` and a line here. */
import { copyOnWrite } from './catalogue/copy-on-write.js';
import { deviceAgainstCall } from './catalogue/device-against-call.js';
import { driverLevels } from './catalogue/driver-levels.js';
import { driverLifetime } from './catalogue/driver-lifetime.js';
import { driverLocks } from './catalogue/driver-locks.js';
import { driverRetry } from './catalogue/driver-retry.js';
import { gruRaces } from './catalogue/gru.js';
import { hookPlacement } from './catalogue/hook-placement.js';
import { hugePageCaches } from './catalogue/huge-page-caches.js';
import { hugetlb } from './catalogue/hugetlb.js';
import { notifierRegistration } from './catalogue/notifier-registration.js';
import { notifierRelease } from './catalogue/notifier-release.js';
import { tlbFlush } from './catalogue/tlb-flush.js';
import { checkableOf } from './checkable.js';
import type { Checkable } from './checkable.js';
import { litmus } from './litmus.js';

export const catalogue: readonly Checkable[] = [litmus, ...[...deviceAgainstCall, ...notifierRelease, ...driverLifetime, ...driverRetry, ...driverLevels, ...driverLocks, ...notifierRegistration, ...tlbFlush, ...copyOnWrite, ...hugetlb, ...hugePageCaches, ...hookPlacement, ...gruRaces].map(checkableOf)];
