export { DeviceTraffic } from './device-traffic.js';
export type { DeviceTrafficOptions, TrafficFault, TrafficReport } from './device-traffic.js';
export { auditSecondary, judge } from './judge.js';
export type { DeviceImage, Reached } from './judge.js';
export { replayTorture, runTorture, scenarioNames, torture } from './torture.js';
export type { TestFramework, TortureOptions } from './torture.js';
export { findingText } from './report.js';
export type { TortureFinding, TortureReport, TortureRow } from './report.js';
export type { DesignName, DeviceCall } from './scenarios.js';
