/**
 * What becomes of a message: keep, discard, stop, redirect, fileinto (RFC 5228 section 4), with copy (RFC 3894), flags
 * (RFC 5232), mailbox (RFC 5490), special-use (RFC 8579) and mailboxid (RFC 9042); reject and ereject (RFC 5429).
 */
import type { FileInto } from '../environment.ts'
import type { Arguments, Extension, TagSpecs } from '../language.ts'
import type { Run } from '../run.ts'
import { type Position, SieveError } from '../syntax.ts'
import { readFlags } from './flags.ts'

/** Where a message is filed, for `fileinto` and `:fcc`. */
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
  }
}

const ADDRESS = /^[^\s<>@]+@[^\s<>@]+$|^"[^"\r\n]+"@[^\s<>@]+$/
export const isAddress = (text: string) => ADDRESS.test(text) && text.length <= 320

export function checkAddresses(addresses: readonly string[], at: Position): void {
  for (const address of addresses)
    if (!isAddress(address))
      throw new SieveError(at, `"${address.slice(0, 80)}" is not an address`, 'write local@domain')
}

/** An address as it may stand in a script, with or without a name (RFC 5228 section 2.4.2.3). */
export const plainAddress = (text: string) => /<([^<>]*)>\s*$/.exec(text)?.[1] ?? text.trim()

export const actions: Extension = {
  capabilities: ['fileinto', 'copy', 'mailbox', 'special-use', 'mailboxid', 'reject', 'ereject'],
  commands: {
    keep: {
      tags: { flags: { value: 'strings', capability: 'imap4flags' } },
      run(args, run) {
        const flags = args.has('flags') ? readFlags(args.strings('flags', run)) : run.shared.flags
        run.act({ kind: 'keep', ...(flags.length > 0 ? { flags } : {}) })
      },
    },
    discard: {
      run(_, run) {
        run.shared.keeps = false
        run.act({ kind: 'discard' })
      },
    },
    stop: { isControl: true, run: () => 'stop' },
    redirect: {
      tags: { copy: { capability: 'copy' } },
      positional: ['string'],
      check: (args, at) => checkAddresses(args.constants(0).map(plainAddress), at),
      run(args, run) {
        const address = plainAddress(args.string(0, run) ?? '')
        checkAddresses([address], args.at)
        const copy = args.has('copy')
        if (!copy) run.shared.keeps = false
        run.act({ kind: 'redirect', address, copy })
      },
    },
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
