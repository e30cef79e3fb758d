export { unmapFault } from './unmap-fault.js';
export type { Protocol, UnmapFaultMachine, UnmapFaultOptions } from './unmap-fault.js';
export { defineRace } from './define.js';
export type { Actor, ActorTask, Race, Setup, SourceEdit, Variant } from './define.js';
export { RaceContext } from './race-context.js';
export type { MapOptions, Parameters } from './race-context.js';
export { RaceDevice } from './race-device.js';
export { raceProgram } from './race-program.js';
export type { RaceProgram } from './race-program.js';
export type { RaceImage } from './race-image.js';
export type { RaceFile } from './race-files.js';
export { kernelAssert } from './assertion.js';
export {
  ANY_DESIGN, RANGE, V5, accessEntry, closeTiny, entryRow, faultWithRetry, freeInstance, install, lockOf, mmOfTiny, mutexOf, newInstance, notifierOf, openTiny, rangeOps, sampleSeq,
  tinyMmu, zap, zapLocked,
} from './drivers/tiny-mmu.js';
export type { Tiny, TinyMmu, TinyParts } from './drivers/tiny-mmu.js';
export { BRACKETED_RECLAIM } from './catalogue/bracketed-reclaim.js';
export { lookupThenInstall } from './lookup-then-install.js';
export { kvm } from '@mmun/plugin-kvm';
export { RaceShapeError, checkableOf, settleParameters, validateRace } from './checkable.js';
export type { Checkable, Subject, VariantPlan } from './checkable.js';
export { checkRace } from './check-race.js';
export type { CheckFinding, CheckOptions, CheckReport, Scene, SceneView } from './check-race.js';
export { catalogue } from './catalogue.js';
export { deviceRaces } from './catalogue/device-against-call.js';
export { allRaces } from './all-races.js';
export { claims } from './claims/claims.js';
export type { Claim, Compiled, Counterexample, Evidence, Explored, Lab, LabImage, Measured, Settled, Verdict } from './claims/claim.js';
export { Unsettled } from './claims/claim.js';
export { replayOf } from './claims/explored.js';
export { openLab } from './claims/lab.js';
export type { LabTools } from './claims/lab.js';
export { settleClaims } from './claims/report.js';
export type { ClaimRow, ClaimsOptions, ClaimsReport } from './claims/report.js';
export { claimsPage } from './claims/page.js';
export { v5Table } from './claims/v5-table.js';
export type { Cell } from './claims/v5-table.js';
