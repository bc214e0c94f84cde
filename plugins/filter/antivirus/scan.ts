/**
 * Scans a message or file: as it is, the parts clamd would miss, and the files mail programs would show.
 *
 * Invariants: the result is `clean` only if clamd says so for all of it and nothing in it is unscannable; a virus
 * outweighs everything else; an unavailable clamd is an exception (`AllBackendsDown`), never a result.
 */
import { AllBackendsDown, type ByteRange, createSemaphore, SemaphoreRejected } from 'iems'
import { type ArchiveProblem, RAR } from 'iems/mime'
import { type Answer, readVersion, scanStream } from './clamd.ts'
import { digestOf, withoutTrace } from './content.ts'
import { missedParts, type OddDeps, Unscannable } from './extraction/missed.ts'
import type { Options } from './options.ts'
import { createProbe } from './probe.ts'
import { createResults } from './scan-cache.ts'
import type { Servers } from './servers.ts'
import { filesOf, filesShown, type ShownDeps } from './shown/parts.ts'
import { createVolumes, type Volumes } from './shown/volumes.ts'
import { CLEAN, strictest } from './strictest.ts'

/** Content that can be read repeatedly. */
export interface Readable {
  readonly size: number
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

export interface ScanOptions {
  /** Bypasses the cache. */
  readonly afresh?: boolean
}

export type Scan = ReturnType<typeof createScan>

/** Lifetime of a cached version. */
const VERSION_MS = 60_000
/** Reading the version takes no scan. */
const VERSION_PATIENCE_MS = 10_000

export interface ScanDeps {
  readonly options: Options
  readonly servers: Servers
  readonly now: () => number
}

export function createScan({ options, servers, now }: ScanDeps) {
  const results = createResults(options.cache, now)
  const ask = (open: () => AsyncIterable<Uint8Array>) => servers.ask((to, signal) => scanStream(to, open, signal))
  const version = createVersion({ options, servers, now })
  const parts: MessageScanDeps = { options, ask, opensRar: createProbe(ask, version) }
  const scanAll = createMessageScan(parts)

  const tooLarge = (size: number): Answer | undefined =>
    size > options.maxSize ? { kind: 'oversize', name: `larger than ${options.maxSize} octets` } : undefined

  return {
    version,
    remembered: () => results.size,
    async message(message: Readable, { afresh = false }: ScanOptions = {}): Promise<Answer> {
      const oversize = tooLarge(message.size)
      if (oversize || afresh || options.cache.entries === 0) return oversize ?? scanAll(message, 'message')
      const key = `${await version()} ${await digestOf(withoutTrace(message.open()))}`
      const before = results.get(key)
      if (before) return before
      const answer = await scanAll(message, 'message')
      results.set(key, answer)
      return answer
    },
    /** Scans content that may not be a message. */
    async file(file: Readable): Promise<Answer> {
      const known = tooLarge(file.size) ?? (file.size === 0 ? CLEAN : undefined)
      if (known) return known
      const plain = await ask(() => file.open())
      if (plain.kind === 'virus') return plain
      return strictest([plain, await scanAll(file, 'file'), await scanAll(file, 'message')], options)
    },
  }
}

function createVersion({ options, servers, now }: ScanDeps) {
  let known: { readonly version: Promise<string>; readonly at: number } | undefined
  return function version({ afresh = false }: ScanOptions = {}): Promise<string> {
    if (!afresh && known && now() - known.at < VERSION_MS) return known.version
    const timeout = Math.min(options.timeout, VERSION_PATIENCE_MS)
    const asked = { version: servers.ask(readVersion, timeout), at: now() }
    known = asked
    asked.version.catch(() => {
      if (known === asked) known = undefined
    })
    return asked.version
  }
}

interface MessageScanDeps {
  readonly options: Options
  ask(open: () => AsyncIterable<Uint8Array>): Promise<Answer>
  opensRar(): Promise<boolean>
}

function createMessageScan({ options, ask, opensRar }: MessageScanDeps) {
  // Limited, because examined content is held in memory.
  const turns = createSemaphore({ limit: options.concurrency, waitTimeout: options.timeout })

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await turns.take(work)
    } catch (cause) {
      throw cause instanceof SemaphoreRejected ? new AllBackendsDown('all scans at a time are under way') : cause
    }
  }

  const problemsFound = async (found: Iterable<ArchiveProblem>): Promise<readonly ArchiveProblem[]> => {
    const problems = [...found]
    const isOpened = problems.some(({ name }) => name === RAR.name) && (await opensRar())
    return problems.filter(({ name }) => !isOpened || name !== RAR.name)
  }

  return async function scanAll(content: Readable, as: 'message' | 'file'): Promise<Answer> {
    const open = () => withoutTrace(content.open())
    const odd: OddDeps = new Set()
    const missed = () => missedParts(open(), { limits: options, odd })
    const found = new Map<string, ArchiveProblem>()
    const files = (report: ShownDeps['report']) => {
      const parts = { limits: options, report }
      return as === 'file' ? filesOf(content, parts) : filesShown(content, parts)
    }
    let isMissing: boolean
    let volumes: Volumes
    try {
      // First, because content crafted to be expensive is expensive for clamd too.
      isMissing = as === 'message' && (!(await isEmpty(missed())) || odd.size > 0)
      volumes = await inTurn(() => createVolumes(files, options.maxSize, (problem) => found.set(problem.name, problem)))
    } catch (cause) {
      if (cause instanceof Unscannable) return { kind: 'unscannable', name: cause.message }
      throw cause
    }
    const questions = [...(as === 'message' ? [open] : []), ...(isMissing ? [missed] : []), ...volumes]
    const answers: Answer[] = []
    for (const question of questions) {
      const answer = await ask(question)
      if (answer.kind === 'virus') return answer
      answers.push(answer)
    }
    return strictest([...answers, ...(await problemsFound(found.values()))], options)
  }
}

/** Reads it to its end. */
async function isEmpty(content: AsyncIterable<Uint8Array>): Promise<boolean> {
  let size = 0
  for await (const { byteLength } of content) size += byteLength
  return size === 0
}
