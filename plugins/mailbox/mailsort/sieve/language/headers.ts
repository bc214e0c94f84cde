/**
 * Tests of header fields and the envelope: address, envelope, exists, header, size (RFC 5228 section 5), with index
 * (RFC 5260), subaddress (RFC 5233) and mime (RFC 5703).
 */
import { readParameters } from 'iems/mime'
import type { Arguments, Extension, TagSpecs, TestSpec } from '../language.ts'
import { checkMatch, MATCH_TAGS, matchAny } from '../match.ts'
import { addressesIn, partsOf } from '../message.ts'
import type { Run } from '../run.ts'
import { type Position, SieveError } from '../syntax.ts'

const PART = { group: 'address part' }
const ADDRESS_TAGS: TagSpecs = {
  all: PART,
  localpart: PART,
  domain: PART,
  user: { ...PART, capability: 'subaddress' },
  detail: { ...PART, capability: 'subaddress' },
}
export const INDEX_TAGS: TagSpecs = {
  index: { value: 'number', capability: 'index' },
  last: { capability: 'index' },
}
const MIME_TAGS: TagSpecs = { mime: { capability: 'mime' }, anychild: { capability: 'mime' } }
const MIME_PART = { group: 'mime part', capability: 'mime' }
const MIME_PART_TAGS: TagSpecs = {
  type: MIME_PART,
  subtype: MIME_PART,
  contenttype: MIME_PART,
  param: { ...MIME_PART, value: 'strings' },
}

export function checkIndex(args: Arguments, at: Position): void {
  if (args.has('last') && !args.has('index')) throw new SieveError(at, ':last needs :index', 'write :index 1 :last')
  if (args.number('index') === 0) throw new SieveError(at, ':index counts from 1')
}

/** Those values that `:index` means; all without it. */
export function atIndex<T>(args: Arguments, values: readonly T[]): readonly T[] {
  const index = args.number('index')
  if (index === undefined) return values
  const found = args.has('last') ? values.at(-index) : values[index - 1]
  return found === undefined ? [] : [found]
}

export const FIELD_NAME = /^[!-9;-~]+$/
function checkNames(args: Arguments, at: Position): void {
  for (const name of args.constants(0))
    if (!FIELD_NAME.test(name)) throw new SieveError(at, `"${name.slice(0, 60)}" is not the name of a header field`)
}

/** Values of fields, of the message or with `:mime` of its parts. */
async function valuesOf(args: Arguments, run: Run, name: string): Promise<readonly string[]> {
  if (!args.has('mime')) return atIndex(args, run.message.decoded(name))
  const root = run.part ?? (await run.message.structure())
  const values: string[] = []
  for (const part of args.has('anychild') ? partsOf(root) : [root]) {
    const found = (await run.message.partFields(part)).filter((field) => field.name === name.toLowerCase())
    for (const { value } of atIndex(args, found)) values.push(...pieceOf(args, run, run.message.decode(value), name))
  }
  return values
}

async function mimeHeader(args: Arguments, run: Run, names: readonly string[]): Promise<boolean> {
  const values: string[] = []
  for (const name of names) values.push(...(await valuesOf(args, run, name)))
  return matchAny(args, run, values, 1)
}

/** The part of a field that `:type`, `:subtype`, `:contenttype` or `:param` selects. */
function pieceOf(args: Arguments, run: Run, value: string, name: string): readonly string[] {
  if (args.has('param')) {
    const [, parameters] = readParameters(value)
    return args.strings('param', run).flatMap((one) => parameters[one.toLowerCase()] ?? [])
  }
  const which = args.oneOf(['type', 'subtype', 'contenttype'])
  if (which === undefined) return [value]
  const [given] = readParameters(value)
  const [type = '', subtype = ''] = given.split('/')
  if (name.toLowerCase() !== 'content-type' && which !== 'type') return which === 'contenttype' ? [given] : ['']
  return [which === 'type' ? type.trim() : which === 'subtype' ? subtype.trim() : given]
}

/** A part of an address; undefined where there is no such part. */
export function partOf(args: Arguments, run: Run, address: string): string | undefined {
  const which = args.oneOf(['all', 'localpart', 'domain', 'user', 'detail'])
  const at = address.lastIndexOf('@')
  const local = at < 0 ? address : address.slice(0, at)
  if (which === undefined || which === 'all') return address
  if (which === 'domain') return at < 0 ? '' : address.slice(at + 1)
  if (which === 'localpart') return local
  const separators = run.environment.separator ?? '+'
  const split = [...local].findIndex((char, index) => index > 0 && separators.includes(char))
  if (which === 'user') return split < 0 ? local : local.slice(0, split)
  return split < 0 ? undefined : local.slice(split + 1)
}

/** RFC 5228 section 5.1: other fields hold no addresses. */
const ADDRESS_FIELDS = new Set(
  'from to cc bcc sender reply-to resent-from resent-to resent-cc resent-bcc resent-sender resent-reply-to return-path delivered-to envelope-to x-original-to disposition-notification-to mail-followup-to errors-to list-post'.split(
    ' ',
  ),
)

const partsOfAddress = (args: Arguments, run: Run, address: string): readonly string[] => {
  const part = partOf(args, run, address)
  return part === undefined ? [] : [part]
}

async function mimeAddress(args: Arguments, run: Run): Promise<boolean> {
  const found: string[] = []
  for (const name of args.strings(0, run))
    for (const one of addressesIn(await valuesOf(args, run, name))) found.push(...partsOfAddress(args, run, one))
  return matchAny(args, run, found, 1)
}

const address: TestSpec = {
  tags: { ...MATCH_TAGS, ...ADDRESS_TAGS, ...INDEX_TAGS, ...MIME_TAGS },
  positional: ['strings', 'strings'],
  check(args, at) {
    checkMatch(args, at, 1)
    checkIndex(args, at)
    checkNames(args, at)
    for (const name of args.constants(0))
      if (!ADDRESS_FIELDS.has(name.toLowerCase()))
        throw new SieveError(at, `the field ${name} holds no addresses`, 'use the test header')
  },
  run(args, run) {
    if (args.has('mime')) return mimeAddress(args, run)
    const found: string[] = []
    // RFC 5260 section 6: `:index` counts fields.
    for (const name of args.strings(0, run))
      for (const addresses of atIndex(args, run.message.addresses(name)))
        for (const one of addresses) found.push(...partsOfAddress(args, run, one))
    return matchAny(args, run, found, 1)
  },
}

const ENVELOPE_PARTS = ['from', 'to', 'auth']

const envelope: TestSpec = {
  capability: 'envelope',
  tags: { ...MATCH_TAGS, ...ADDRESS_TAGS },
  positional: ['strings', 'strings'],
  check(args, at) {
    checkMatch(args, at, 1)
    for (const name of args.constants(0))
      if (!ENVELOPE_PARTS.includes(name.toLowerCase()))
        throw new SieveError(
          at,
          `unknown part of the envelope "${name.slice(0, 60)}"`,
          `there are ${ENVELOPE_PARTS.join(', ')}`,
        )
  },
  run(args, run) {
    if (run.environment.isEvent) throw new SieveError(args.at, 'there is no envelope for an event')
    const { from, to, auth } = run.environment.envelope
    const values = args.strings(0, run).flatMap((name) => {
      const value = { from, to, auth }[name.toLowerCase() as 'from']
      return value === undefined ? [] : (partOf(args, run, value) ?? [])
    })
    return matchAny(args, run, values, 1)
  },
}

export const headers: Extension = {
  capabilities: ['envelope', 'subaddress', 'index', 'mime', 'relational', 'regex', 'encoded-character'],
  tests: {
    true: { run: () => true },
    false: { run: () => false },
    address,
    envelope,
    header: {
      tags: { ...MATCH_TAGS, ...INDEX_TAGS, ...MIME_TAGS, ...MIME_PART_TAGS },
      positional: ['strings', 'strings'],
      check(args, at) {
        checkMatch(args, at, 1)
        checkIndex(args, at)
        checkNames(args, at)
        const part = args.oneOf(['type', 'subtype', 'contenttype', 'param', 'anychild'])
        if (part !== undefined && !args.has('mime'))
          throw new SieveError(at, `:${part} needs :mime`, 'write :mime before it')
      },
      run(args, run) {
        const names = args.strings(0, run)
        if (args.has('mime')) return mimeHeader(args, run, names)
        return matchAny(
          args,
          run,
          names.flatMap((name) => atIndex(args, run.message.decoded(name))),
          1,
        )
      },
    },
    exists: {
      tags: MIME_TAGS,
      positional: ['strings'],
      check: checkNames,
      async run(args, run) {
        for (const name of args.strings(0, run)) if ((await valuesOf(args, run, name)).length === 0) return false
        return true
      },
    },
    size: {
      tags: { over: { group: 'size', value: 'number' }, under: { group: 'size', value: 'number' } },
      check(args, at) {
        if (!args.oneOf(['over', 'under']))
          throw new SieveError(at, 'size needs :over or :under', 'write size :over 1M')
      },
      run(args, run) {
        const { size } = run.message
        run.saw([String(size)])
        const over = args.number('over')
        return over === undefined ? size < (args.number('under') as number) : size > over
      },
    },
  },
}
