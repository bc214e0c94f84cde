/**
 * `iems dkim …`: creates keys, shows their DNS records, activates and retires them.
 */
import type { Clock, Command, CommandCall, CommandOutput, Dns } from 'iems'
import type { Algorithm, KeyInfo, Keys } from './keys.ts'
import type { Options } from './options.ts'

export interface CommandDeps extends Pick<Options, 'retired'> {
  readonly keys: Keys
  readonly clock: Clock
  readonly dns: Dns
}

const DAY_MS = 86_400_000
const BITS = ['1024', '2048', '3072', '4096']

const nameOf = ({ domain, selector }: KeyInfo) => `${selector}._domainkey.${domain}`

/** A line of a zone: strings of at most 255 octets (RFC 6376 section 3.6.2.2). */
const zoneLine = (one: KeyInfo) =>
  `${nameOf(one)}. IN TXT ( ${(one.record.match(/.{1,255}/g) ?? []).map((part) => `"${part}"`).join(' ')} )`

function shown(one: KeyInfo): Record<string, unknown> {
  const { domain, selector, algorithm, bits, state, since, record } = one
  return { domain, selector, algorithm, bits, state, since, name: nameOf(one), record }
}

export function createCommands(parts: CommandDeps): Readonly<Record<string, Command>> {
  return {
    'dkim add': {
      summary: 'makes a key, and says what to publish in the DNS before it can sign',
      arguments: ['<domain>'],
      options: {
        '--type <type>': 'rsa or ed25519; default: rsa, which everybody understands',
        '--selector <name>': 'default: made of the month',
        '--bits <number>': 'of an RSA key; default: 2048',
      },
      run: (call) => add(parts, call),
    },
    'dkim rotate': {
      summary: "makes a new key for each of a domain's that sign now; the old ones sign until it is activated",
      arguments: ['<domain>'],
      run: (call) => rotate(parts, call),
    },
    'dkim show': {
      summary: 'the record to publish for a key; without a selector, those of all keys of the domain',
      arguments: ['<domain>', '[selector]'],
      run: (call) => show(parts, call),
    },
    'dkim activate': {
      summary: 'signs with a key from now on, if its record is in the DNS; the one before is retired',
      arguments: ['<domain>', '<selector>'],
      options: { '--unseen': 'also if the record cannot be seen from here' },
      run: (call) => activate(parts, call),
    },
    'dkim list': { summary: 'all keys, and what they are doing', run: () => list(parts) },
    'dkim remove': {
      summary: 'forgets a key for good; mail that it has signed can be verified as long as its record is there',
      irreversible: true,
      arguments: ['<domain>', '<selector>'],
      run: (call) => remove(parts, call),
    },
  }
}

async function* add(
  { keys }: CommandDeps,
  { arguments: [domain = ''], options }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const { type = 'rsa', selector, bits = '2048' } = options
  if (type !== 'rsa' && type !== 'ed25519') throw new Error('--type must be rsa or ed25519')
  if (!BITS.includes(String(bits))) throw new Error(`--bits must be one of ${BITS.join(', ')}`)
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(domain)) throw new Error('the domain must be one such as example.org')
  if (selector !== undefined && !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(String(selector)))
    throw new Error('the selector must be of letters, digits, - and .')
  const name = selector === undefined ? {} : { selector: String(selector) }
  yield* published(await keys.make({ domain, algorithm: type, bits: Number(bits), ...name }))
}

async function* rotate(
  { keys }: CommandDeps,
  { arguments: [domain = ''] }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const active = (await keys.signingFor(domain)).filter((one) => one.domain === domain.toLowerCase())
  if (active.length === 0) throw new Error(`no key of ${domain} signs; iems dkim add makes one`)
  for (const { algorithm, bits = 2048 } of active) {
    const kind: Algorithm = algorithm
    yield* published(await keys.make({ domain, algorithm: kind, bits: Math.max(bits, 2048) }))
  }
}

async function* show(
  { keys }: CommandDeps,
  { arguments: [domain = '', selector] }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const ofDomain = (await keys.all()).filter((key) => key.domain === domain.toLowerCase())
  const wanted = selector === undefined ? ofDomain : [await keyNamed(keys, domain, selector)]
  if (wanted.length === 0) throw new Error(`there is no key of ${domain}; iems dkim add makes one`)
  for (const one of wanted) yield { text: zoneLine(one), value: shown(one) }
}

async function* activate(
  { keys, dns, retired }: CommandDeps,
  { arguments: [domain = '', selector = ''], options }: CommandCall,
): AsyncGenerator<CommandOutput> {
  const why = options.unseen ? undefined : await obstacle(dns, await keyNamed(keys, domain, selector))
  if (why !== undefined) throw new Error(`${why}; publish what iems dkim show prints, or say --unseen`)
  const before = await keys.activate(domain, selector)
  yield { text: `${selector} signs for ${domain}`, value: { domain, selector } }
  for (const one of before)
    yield { text: `${one.selector} no longer does; leave its record for ${retired} days`, value: shown(one) }
}

async function* remove(
  { keys }: CommandDeps,
  { arguments: [domain = '', selector = ''] }: CommandCall,
): AsyncGenerator<CommandOutput> {
  await keys.remove(domain, selector)
  yield { text: `${selector} of ${domain} is gone; so may its record be` }
}

/** The reason why a key cannot be used yet; undefined when its record is published. */
async function obstacle(dns: Dns, one: KeyInfo): Promise<string | undefined> {
  const keyOf = (text: string) => /(?:^|;)\s*p=\s*([^;]*)/.exec(text)?.[1]?.replace(/\s/g, '')
  // The cache may hold the state before publication.
  const answer = await dns.ask(nameOf(one), 'TXT', { fresh: true })
  if (answer.kind === 'unavailable') return `the DNS could not be asked for ${nameOf(one)} (${answer.why})`
  if (answer.kind === 'absent') return `${nameOf(one)} has no TXT record`
  return answer.records.some((parts) => keyOf(parts.join('')) === keyOf(one.record))
    ? undefined
    : `the TXT record of ${nameOf(one)} has another key`
}

function* published(one: KeyInfo): Generator<CommandOutput> {
  yield { text: zoneLine(one), value: shown(one) }
  yield { text: `When that is published: iems dkim activate ${one.domain} ${one.selector}` }
}

async function* list({ keys, clock, retired }: CommandDeps): AsyncGenerator<CommandOutput> {
  for (const one of await keys.all()) {
    const size = one.bits ? ` ${one.bits}` : ''
    const since =
      one.since === undefined ? 'of the configuration' : `since ${new Date(one.since).toISOString().slice(0, 10)}`
    const isOver = one.state === 'retired' && one.since !== undefined && clock.now() - one.since > retired * DAY_MS
    const hint = isOver ? '  its record may go: iems dkim remove' : ''
    yield {
      text: `${one.domain}  ${one.selector}  ${one.algorithm}${size}  ${one.state} ${since}${hint}`,
      value: shown(one),
    }
  }
}

async function keyNamed(keys: Keys, domain: string, selector: string): Promise<KeyInfo> {
  const one = (await keys.all()).find((key) => key.domain === domain.toLowerCase() && key.selector === selector)
  if (!one) throw new Error(`there is no key ${selector} of ${domain}; iems dkim list shows them all`)
  return one
}
