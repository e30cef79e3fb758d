export { DeviceTraffic } from './device-traffic.js';
export type { DeviceTrafficOptions, TrafficFault, TrafficReport } from './device-traffic.js';
export { auditSecondary, judge } from './judge.js';
export type { DeviceImage, Reached } from './judge.js';
