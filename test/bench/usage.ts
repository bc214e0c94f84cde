/*
 * What processes have used, read from Linux's /proc: processor time and resident memory of one process with all that
 * belongs to its process group, so that Postfix's many services count like one server. Postfix's services come and go;
 * the time of those that have ended is in their parent's account of its children.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

export interface Usage {
  readonly cpuSeconds: number
  readonly residentBytes: number
  /** The highest residentBytes of the group's largest process so far. */
  readonly peakBytes: number
}

const ticksPerSecond = 100
const pageBytes = 4096

/** What the process group of `leader` has used until now. */
export function usageOf(leader: number): Usage {
  let [ticks, pages, peak] = [0, 0, 0]
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(name) : undefined
    if (stat?.group !== leader) continue
    // Children that have ended are counted for every parent: none of these servers' children has a parent elsewhere.
    ticks += stat.ticks
    pages += stat.pages
    peak = Math.max(peak, peakOf(name))
  }
  return { cpuSeconds: ticks / ticksPerSecond, residentBytes: pages * pageBytes, peakBytes: peak }
}

/** Processor seconds that processes, with their ended children, have used until now. */
export function usageOfProcesses(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (statOf(String(pid))?.ticks ?? 0), 0) / ticksPerSecond
}

function statOf(pid: string): { group: number; ticks: number; pages: number } | undefined {
  const text = read(`/proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields.length < 22) return undefined // it ended while we looked
  const [group = 0, user = 0, system = 0, childUser = 0, childSystem = 0, pages = 0] = [2, 11, 12, 13, 14, 21].map(
    (index) => Number(fields[index]),
  )
  return { group, ticks: user + system + childUser + childSystem, pages }
}

function peakOf(pid: string): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it ended while we looked
  }
}

/** Lets `peakBytes` of a single process start again from what it uses now. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** The share of the machine's processors that is idle, over half a second. */
export async function idleShare(): Promise<number> {
  const busy = watchMachine()
  await delay(500)
  return 1 - busy()
}

/**
 * Starts to measure the load of the machine. The returned function returns the share of its processors that was busy
 * since then. If a server and its clients keep 80 % busy, two servers are at most 1.25 times as fast.
 */
export function watchMachine(): () => number {
  const before = machine()
  return () => {
    const after = machine()
    return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all)
  }
}

function machine(): { idle: number; all: number } {
  const ticks = (read('/proc/stat').split('\n')[0] ?? '').split(/\s+/).slice(1, 9).map(Number)
  return { idle: ticks[3] ?? 0, all: ticks.reduce((sum, value) => sum + value, 0) }
}
