// What Linux says of a server's processes.
import { readFileSync, readdirSync } from 'node:fs';

/** The workers of a controller, by process id. */
export function workersOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Resident memory, in MB. Throws when the process is gone, as all of these do. */
export function memoryOf(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) / 1024;
}

export function descriptorsOf(pid) {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** CPU time of all threads that are there, in seconds; to the nanosecond, not the tick. */
export function cpuOf(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, id) => sum + Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'latin1').split(' ')[0]), 0) / 1e9;
}

export const percentile = (values, part) => {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
};
