/**
 * Actions on a message: keep, discard, stop, redirect, fileinto (RFC 5228 section 4), with copy (RFC 3894), flags (RFC
 * 5232), mailbox (RFC 5490), special-use (RFC 8579) and mailboxid (RFC 9042); reject and ereject (RFC 5429);
 * redirect-dsn (RFC 6009) and lists of addresses (RFC 6134).
 */
import type { FileInto, Redirect } from '../environment.ts'
import type { Arguments, CommandSpec, Extension, TagSpecs } from '../language.ts'
import type { Run } from '../run.ts'
import { type Position, SieveError } from '../syntax.ts'
import { readFlags } from './flags.ts'

/** The target mailbox, for `fileinto` and `:fcc`. */
export const PLACE_TAGS: TagSpecs = {
  flags: { value: 'strings', capability: 'imap4flags' },
  create: { capability: 'mailbox' },
  specialuse: { value: 'string', capability: 'special-use' },
  mailboxid: { value: 'string', capability: 'mailboxid' },
}

export function placeOf(args: Arguments, run: Run, mailbox: string): FileInto {
  const specialUse = args.string('specialuse', run)
  const mailboxId = args.string('mailboxid', run)
  const flags = args.has('flags') ? readFlags(args.strings('flags', run)) : run.shared.flags
  return {
    ...{ kind: 'fileinto', mailbox, create: args.has('create'), copy: args.has('copy') },
    ...(specialUse === undefined ? {} : { specialUse }),
    ...(mailboxId === undefined ? {} : { mailboxId }),
    ...(flags.length > 0 ? { flags } : {}),
    ...changedBy(run),
  }
}

const changedBy = (run: Run) => {
  const content = run.message.changed
  return content ? { content } : {}
}

const ADDRESS = /^[^\s<>@]+@[^\s<>@]+$|^"[^"\r\n]+"@[^\s<>@]+$/
export const isAddress = (text: string) => ADDRESS.test(text) && text.length <= 320

export function checkAddresses(addresses: readonly string[], at: Position): void {
  for (const address of addresses)
    if (!isAddress(address))
      throw new SieveError(at, `"${address.slice(0, 80)}" is not an address`, 'write local@domain')
}

/** An address in a script, with or without a name (RFC 5228 section 2.4.2.3). */
export const plainAddress = (text: string) => /<([^<>]*)>\s*$/.exec(text)?.[1] ?? text.trim()

const NOTIFY = ['SUCCESS', 'FAILURE', 'DELAY'] as const

/** RFC 6009 section 3: a list of keywords of RFC 3461; NEVER excludes others. */
function notifyOf(text: string, at: Position): NonNullable<Redirect['notify']> {
  const words = text.split(',').map((word) => word.trim().toUpperCase())
  if (words.length === 1 && words[0] === 'NEVER') return ['NEVER']
  const found = words.map((word) => NOTIFY.find((one) => one === word))
  if (!found.every((one) => one !== undefined))
    throw new SieveError(at, `"${text.slice(0, 60)}" is not a list for :notify`, 'write "SUCCESS,FAILURE" or "NEVER"')
  return found
}

function retOf(text: string, at: Position): NonNullable<Redirect['ret']> {
  const ret = text.toUpperCase()
  if (ret === 'FULL' || ret === 'HDRS') return ret
  throw new SieveError(at, `"${text.slice(0, 60)}" is not a value for :ret`, 'write "FULL" or "HDRS"')
}

/** The targets of a redirect: an address, or a whole list (RFC 6134 section 2.3). */
async function receiversOf(args: Arguments, run: Run): Promise<readonly string[]> {
  const named = args.string(0, run) ?? ''
  if (!args.has('list')) return [plainAddress(named)]
  const most = run.shared.limits.redirects
  const members = await run.environment.membersOf?.(named, most)
  if (!members) throw new SieveError(args.at, `unknown list "${named.slice(0, 60)}"`)
  if (members.length > most) throw new SieveError(args.at, `the list has more than ${most} addresses`)
  return members
}

const redirect: CommandSpec = {
  tags: {
    copy: { capability: 'copy' },
    list: { capability: 'extlists' },
    notify: { value: 'string', capability: 'redirect-dsn' },
    ret: { value: 'string', capability: 'redirect-dsn' },
  },
  positional: ['string'],
  check(args, at) {
    if (!args.has('list')) checkAddresses(args.constants(0).map(plainAddress), at)
    for (const text of args.constants('notify')) notifyOf(text, at)
    for (const text of args.constants('ret')) retOf(text, at)
  },
  async run(args, run) {
    const addresses = await receiversOf(args, run)
    checkAddresses(addresses, args.at)
    const [notify, ret] = [args.string('notify', run), args.string('ret', run)]
    const copy = args.has('copy')
    const content = run.message.redirected
    if (!copy) run.shared.keeps = false
    for (const address of addresses)
      run.act({
        ...{ kind: 'redirect', address, copy },
        ...(notify === undefined ? {} : { notify: notifyOf(notify, args.at) }),
        ...(ret === undefined ? {} : { ret: retOf(ret, args.at) }),
        ...(content ? { content } : {}),
      })
  },
}

export const actions: Extension = {
  capabilities: ['fileinto', 'copy', 'mailbox', 'special-use', 'mailboxid', 'reject', 'ereject', 'redirect-dsn'],
  commands: {
    keep: {
      tags: { flags: { value: 'strings', capability: 'imap4flags' } },
      run(args, run) {
        const flags = args.has('flags') ? readFlags(args.strings('flags', run)) : run.shared.flags
        run.act({ kind: 'keep', ...(flags.length > 0 ? { flags } : {}), ...changedBy(run) })
      },
    },
    discard: {
      run(_, run) {
        run.shared.keeps = false
        run.act({ kind: 'discard' })
      },
    },
    stop: { isControl: true, run: () => 'stop' },
    redirect,
    fileinto: {
      capability: 'fileinto',
      tags: { copy: { capability: 'copy' }, ...PLACE_TAGS },
      positional: ['string'],
      run(args, run) {
        const mailbox = args.string(0, run) ?? ''
        if (mailbox === '') throw new SieveError(args.at, 'fileinto needs the name of a mailbox')
        if (!args.has('copy')) run.shared.keeps = false
        run.act(placeOf(args, run, mailbox))
      },
    },
    reject: { capability: 'reject', positional: ['string'], run: (args, run) => reject(args, run, false) },
    ereject: { capability: 'ereject', positional: ['string'], run: (args, run) => reject(args, run, true) },
  },
}

function reject(args: Arguments, run: Run, isEreject: boolean): void {
  run.act({ kind: 'reject', text: args.string(0, run) ?? '', isEreject })
  run.shared.keeps = false
}
