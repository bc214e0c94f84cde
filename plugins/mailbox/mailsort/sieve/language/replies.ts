/**
 * Replies and notifications: vacation (RFC 5230, RFC 6131) and notify (RFC 5435, RFC 5436), with copies of them (RFC
 * 8580). Another file decides whether they are sent.
 */
import type { FileInto } from '../environment.ts'
import type { Arguments, Extension, TagSpecs } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import type { Run } from '../run.ts'
import { type Position, SieveError } from '../syntax.ts'
import { checkAddresses, isAddress, PLACE_TAGS, placeOf, plainAddress } from './actions.ts'

const FCC_TAGS: TagSpecs = {
  fcc: { value: 'string', capability: 'fcc' },
  ...PLACE_TAGS,
}

function copyOf(args: Arguments, run: Run): { readonly copyTo?: FileInto } {
  const mailbox = args.string('fcc', run)
  return mailbox === undefined ? {} : { copyTo: { ...placeOf(args, run, mailbox), copy: true } }
}

function checkCopy(args: Arguments, at: Position): void {
  for (const tag of Object.keys(PLACE_TAGS))
    if (args.has(tag) && !args.has('fcc')) throw new SieveError(at, `:${tag} needs :fcc`)
}

const DAY = 86_400
const DEFAULT_DAYS = 7
/** RFC 5230 section 4.1: at least a day for `:days`; RFC 6131 section 2 leaves the longest to us. */
const MAX_SECONDS = 90 * DAY

function secondsOf(args: Arguments): number {
  const seconds = args.number('seconds')
  if (seconds !== undefined) return Math.min(seconds, MAX_SECONDS)
  return Math.min(Math.max(args.number('days') ?? DEFAULT_DAYS, 1) * DAY, MAX_SECONDS)
}

const PERIOD = { group: 'period', value: 'number' } as const

export const vacation: Extension = {
  capabilities: ['vacation', 'vacation-seconds', 'fcc'],
  commands: {
    vacation: {
      capability: 'vacation',
      tags: {
        days: PERIOD,
        seconds: { ...PERIOD, capability: 'vacation-seconds' },
        subject: { value: 'string' },
        from: { value: 'string' },
        addresses: { value: 'strings' },
        mime: {},
        handle: { value: 'string' },
        ...FCC_TAGS,
      },
      positional: ['string'],
      check(args, at) {
        checkCopy(args, at)
        checkAddresses(args.constants('from').map(plainAddress), at)
      },
      run(args, run) {
        if (run.shared.actions.some(({ kind }) => kind === 'vacation'))
          throw new SieveError(args.at, 'vacation is used twice')
        const [reason, subject, from] = [
          args.string(0, run) ?? '',
          args.string('subject', run),
          args.string('from', run),
        ]
        if (from !== undefined) checkAddresses([plainAddress(from)], args.at)
        const isMime = args.has('mime')
        // RFC 5230 section 4.2: without a handle, other texts are other replies.
        const handle = args.string('handle', run) ?? JSON.stringify([reason, subject, from, isMime])
        const addresses = args.strings('addresses', run).map(plainAddress)
        run.act({
          ...{ kind: 'vacation', reason, isMime, seconds: secondsOf(args), addresses, handle },
          ...(subject === undefined ? {} : { subject }),
          ...(from === undefined ? {} : { from }),
          ...copyOf(args, run),
        })
      },
    },
  },
}

/** RFC 6068 in the small: at least one address. */
function isMailto(method: string): boolean {
  const [, to, query = ''] = /^mailto:([^?]*)(?:\?(.*))?$/is.exec(method) ?? []
  if (to === undefined) return false
  try {
    const extra = new URLSearchParams(query.replaceAll('+', '%2B')).getAll('to')
    const addresses = [...to.split(',').map(decodeURIComponent), ...extra]
      .map((one) => one.trim())
      .filter((one) => one !== '')
    return addresses.length > 0 && addresses.every(isAddress)
  } catch {
    return false
  }
}

const IMPORTANCE: Readonly<Record<string, 1 | 2 | 3>> = { '1': 1, '2': 2, '3': 3 }

function checkMethod(methods: readonly string[], at: Position): void {
  for (const method of methods)
    if (!isMailto(method))
      throw new SieveError(at, `"${method.slice(0, 80)}" is not a method`, 'write "mailto:someone@example.org"')
}

export const notifications: Extension = {
  capabilities: ['enotify'],
  commands: {
    notify: {
      capability: 'enotify',
      tags: {
        from: { value: 'string' },
        importance: { value: 'string' },
        options: { value: 'strings' },
        message: { value: 'string' },
        ...FCC_TAGS,
      },
      positional: ['string'],
      check(args, at) {
        checkCopy(args, at)
        checkMethod(args.constants(0), at)
        for (const importance of args.constants('importance'))
          if (!Object.hasOwn(IMPORTANCE, importance)) throw new SieveError(at, ':importance is "1", "2" or "3"')
      },
      run(args, run) {
        const method = args.string(0, run) ?? ''
        checkMethod([method], args.at)
        const [from, message] = [args.string('from', run), args.string('message', run)]
        run.act({
          ...{ kind: 'notify', method, importance: IMPORTANCE[args.string('importance', run) ?? ''] ?? 2 },
          ...(from === undefined ? {} : { from }),
          ...(message === undefined ? {} : { message }),
          ...copyOf(args, run),
        })
      },
    },
  },
  tests: {
    valid_notify_method: {
      capability: 'enotify',
      positional: ['strings'],
      run: (args, run) => args.strings(0, run).every(isMailto),
    },
    notify_method_capability: {
      capability: 'enotify',
      tags: MATCH_TAGS,
      positional: ['string', 'string', 'strings'],
      check: (args, at) => checkMatch(args, at, 2),
      run(args, run) {
        // RFC 5436 section 2.7: the online status is unknown.
        const isKnown = isMailto(args.string(0, run) ?? '') && (args.string(1, run) ?? '').toLowerCase() === 'online'
        return isKnown ? matchAny(args, run, ['maybe'], 2) : false
      },
    },
  },
}
