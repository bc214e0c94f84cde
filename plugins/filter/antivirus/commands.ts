/**
 * `iems antivirus …`, under the plugin's name in the configuration: clamd's state, file scans, held and quarantined
 * messages.
 */
import { AllBackendsDown, type Command, type CommandCall, type CommandOutput, duration, type SetupContext } from 'iems'
import { HELD } from './check.ts'
import type { Taken } from './mailbox-quarantine.ts'
import type { Options } from './options.ts'
import type { createRescan, Stored } from './rescan.ts'
import type { Scan } from './scan.ts'
import type { Servers } from './servers.ts'

export interface CommandDeps extends Pick<SetupContext, 'name' | 'contents' | 'queue' | 'clock'> {
  readonly options: Options
  readonly scan: Scan
  readonly servers: Servers
  readonly rescan: ReturnType<typeof createRescan>
  readonly stored: Stored | undefined
}

export function createCommands(parts: CommandDeps): Readonly<Record<string, Command>> {
  const { name } = parts
  // Under its configured name, so that a second instance has commands too.
  return {
    [`${name} status`]: { summary: 'whether clamd answers, and with which signatures', run: () => status(parts) },
    [`${name} scan`]: {
      summary: 'what clamd says of a file or a message',
      reads: true,
      run: (call) => scanFile(parts, call),
    },
    [`${name} rescan`]: {
      summary: 'scan again what waits, is held and was delivered, and take viruses back from mailboxes',
      options: {
        '--since <time>': "accepted since then: 2026-01-31, 2026-01-31T12:00Z or '7 days'",
        '--account <account>': 'only the mailboxes of this account',
        '--dry-run': 'tell what would be done',
        '--release': 'let go what was held and is clean now',
      },
      run: (call) => rescanAll(parts, call),
    },
    [`${name} quarantine`]: {
      summary: 'what is held and what was taken back from mailboxes',
      run: () => quarantine(parts),
    },
    [`${name} release`]: {
      summary: 'let it go on, or put it back where it was',
      arguments: ['<id>'],
      run: (call) => release(parts, call),
    },
    [`${name} remove`]: {
      summary: 'remove it permanently, without a report to anyone',
      irreversible: true,
      arguments: ['<id>'],
      run: (call) => remove(parts, call),
    },
  }
}

async function* status({ servers, scan, options }: CommandDeps): AsyncGenerator<CommandOutput> {
  for (const one of servers.states()) {
    const failure = one.lastFailure === undefined ? '' : `, last failure: ${one.lastFailure}`
    yield {
      text: `${one.server}  ${one.state}, ${one.answers} answers, ${one.failures} failures in a row${failure}`,
      value: one,
    }
  }
  const version = await scan.version({ afresh: true }).catch((cause: unknown) => {
    if (!(cause instanceof AllBackendsDown)) throw cause
    return undefined
  })
  yield {
    text:
      version ?? `No clamd answers: ${options.whenDown === 'defer' ? 'mail is deferred' : 'mail goes on unscanned'}`,
    value: { version: version ?? null },
  }
  yield { text: `${scan.remembered()} results remembered`, value: { remembered: scan.remembered() } }
}

async function* scanFile(
  { contents, options, scan }: CommandDeps,
  { input }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const staged = await contents.stage(upTo(input, options.maxSize))
  try {
    const { kind, name } = await scan.file({ size: staged.content.size, open: (range) => staged.open(range) })
    yield { text: name === '' ? kind : `${kind}  ${name}`, value: { kind, name } }
  } finally {
    await staged.discard()
  }
}

async function* rescanAll(
  { rescan, stored, clock }: CommandDeps,
  { options: given, signal }: CommandCall,
): AsyncGenerator<CommandOutput> {
  if (typeof given.since !== 'string') throw new Error("Say since when: --since 2026-01-31 or --since '7 days'")
  const account = typeof given.account === 'string' ? await accountOf(stored, given.account) : undefined
  yield* rescan({
    since: timeOf(given.since, clock.now()),
    ...(account === undefined ? {} : { account }),
    isDry: given['dry-run'] === true,
    releases: given.release === true,
    signal,
  })
}

async function accountOf(stored: Stored | undefined, name: string): Promise<string> {
  const accounts = stored?.accounts
  const found =
    (await accounts?.byName(name)) ?? (await accounts?.byAddress(name))?.account ?? (await accounts?.byId(name))
  if (!found) throw new Error(`There is no account ${name}`)
  return found.id
}

async function* quarantine({ queue, stored }: CommandDeps): AsyncGenerator<CommandOutput> {
  const seen = new Set<string>()
  for await (const { message, held, from, since, size } of queue.list({ held: true })) {
    if (!held?.startsWith(HELD) || seen.has(message)) continue
    seen.add(message)
    yield {
      text: `${message}  ${dateOf(since)}  ${size}  from <${from}>  ${held}`,
      value: { id: message, at: since, from, size, why: held },
    }
  }
  for await (const one of stored?.taken.list() ?? []) yield { text: lineOf(one), value: factsOf(one) }
}

async function* release(
  { queue, stored }: CommandDeps,
  { arguments: [id = ''] }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const taken = await stored?.taken.giveBack(id)
  if (taken) {
    yield { text: `${id} is in ${taken.mailbox} of ${taken.account} again`, value: factsOf(taken) }
    return
  }
  const count = (await heldByUs(queue, id)) ? await queue.release({ message: id, held: true }) : 0
  if (count === 0) throw new Error(`Nothing of that name is held here: ${id}`)
  yield { text: `${count} released`, value: { id, released: count } }
}

async function* remove(
  { queue, stored }: CommandDeps,
  { arguments: [id = ''] }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const isTaken = await stored?.taken.remove(id)
  const count = isTaken ? 1 : (await heldByUs(queue, id)) ? await queue.remove({ message: id, held: true }) : 0
  if (count === 0) throw new Error(`Nothing of that name is held here: ${id}`)
  yield { text: `${count} removed`, value: { id, removed: count } }
}

async function heldByUs(queue: CommandDeps['queue'], message: string): Promise<boolean> {
  for await (const { held } of queue.list({ message, held: true })) if (held?.startsWith(HELD)) return true
  return false
}

/** One octet more than the limit, so that exceeding it is noticed. */
async function* upTo(input: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let left = most + 1
  for await (const chunk of input) {
    yield chunk.subarray(0, left)
    left -= chunk.byteLength
    if (left <= 0) return
  }
}

function timeOf(text: string, now: number): number {
  const ago = duration().safeParse(text)
  const at = ago.success ? now - ago.data : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw new Error(`${text} is no time: say 2026-01-31, 2026-01-31T12:00Z or '7 days'`)
  return at
}

const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')

function lineOf({ id, at, account, mailbox, size, subject, why }: Taken): string {
  return `${id}  ${dateOf(at)}  ${size}  ${account} ${mailbox}  ${why}  ${JSON.stringify(subject)}`
}

function factsOf({ content: _, v: __, ...rest }: Taken) {
  return rest
}
