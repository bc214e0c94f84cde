/**
 * Signs outgoing mail with DKIM.
 *
 * Invariants: only mail of authenticated or trusted senders is signed, for its author's domain; mail that this server
 * sends on for others, such as posts of a list, is signed for its sender's domain and never for the author's; signing
 * happens at delivery, after all changes; a message that cannot be signed at the moment waits.
 */
import { type Delivery, definePlugin, type HookContext, type RawField, type SetupContext } from 'iems'
import { Accounts, type AccountsApi, authorsOf } from '../../directory/static/api.ts'
import { Dkim } from './api.ts'
import { seal } from './arc.ts'
import { authorDomain, signingDomain } from './author.ts'
import { createCommands } from './commands.ts'
import { Keys } from './keys.ts'
import { type Options, options } from './options.ts'
import { type Hashed, hashContent, signatureOf } from './signature.ts'

const DAY_MS = 86_400_000

export const dkim = definePlugin({
  name: 'dkim',
  config: options.prefault({}),
  wants: [Accounts],
  offers: [Dkim],
  setup(config, ctx) {
    const accounts = ctx.find(Accounts)
    const keys = new Keys(ctx.store, ctx.clock, config.keys)
    const signer = new Signer({ config, ctx, keys, accounts })
    ctx.offer(Dkim, {
      keysOf: async (domain) =>
        (await keys.all()).filter((one) => one.domain === domain.toLowerCase()).map(({ privateKey: _, ...one }) => one),
    })
    return {
      hooks: {
        dispatch: {
          stage: 'last',
          handler: (delivery, hook) => signer.handle(delivery, hook),
        },
      },
      commands: createCommands({ ...config, ...ctx, keys }),
    }
  },
})

interface SignerDeps {
  readonly config: Options
  readonly ctx: Pick<SetupContext, 'clock' | 'hostname'>
  readonly keys: Keys
  readonly accounts: AccountsApi | undefined
}

class Signer {
  readonly #deps: SignerDeps

  constructor(deps: SignerDeps) {
    this.#deps = deps
  }

  async handle(delivery: Delivery, hook: HookContext): Promise<void> {
    const { config } = this.#deps
    const isSealed = config.arc?.channels.includes(delivery.route.channel) ?? false
    if (!isOurs(delivery, config) && !isSealed) return
    const hashed = await hashContent(delivery.open(), config.header)
    if (!hashed) return
    if (isOurs(delivery, config)) await this.#sign(delivery, hashed, hook)
    if (isSealed) await this.#seal(delivery, hashed, hook)
  }

  async #sign(delivery: Delivery, hashed: Hashed, { note, log }: HookContext): Promise<void> {
    const { config, keys, accounts, ctx } = this.#deps
    const domain = domainFor(delivery, hashed.fields)
    const signing = domain === undefined ? [] : await keys.signingFor(domain)
    if (domain === undefined || signing.length === 0) return
    if (!(await mayBeFrom(delivery, signing[0]?.domain as string, accounts))) {
      log.info('not signed: its author is not known to be its sender', { message: delivery.message.id, domain })
      return
    }
    const at = Math.floor(ctx.clock.now() / 1000)
    const stamp = { at, ...(config.expires > 0 ? { expires: at + (config.expires * DAY_MS) / 1000 } : {}) }
    for (const one of signing) delivery.headers.prepend('DKIM-Signature', await signatureOf(hashed, one, config, stamp))
    noteOnce(delivery, note, signing.map(({ domain: d, selector }) => `${selector}._domainkey.${d}`).join(' '))
  }

  async #seal(delivery: Delivery, hashed: Hashed, { log }: HookContext): Promise<void> {
    const { config, keys, ctx } = this.#deps
    if (!config.arc) return
    const { domain, authservId = ctx.hostname } = config.arc
    const key = (await keys.signingFor(domain)).find(({ algorithm }) => algorithm === 'rsa')
    if (!key) return log.warn('not sealed: the domain has no active RSA key', { message: delivery.message.id, domain })
    const at = Math.floor(ctx.clock.now() / 1000)
    const isSealed = await seal(delivery, hashed, { key, authservId, which: config, at })
    if (isSealed) log.debug('sealed (ARC)', { message: delivery.message.id, domain })
  }
}

/** From an authenticated user, a trusted network, or this server itself. */
function isOurs({ message: { session } }: Delivery, { networks }: Options): boolean {
  return session.protocol === 'LOCAL' || session.identity !== undefined || (networks && session.trusted)
}

/**
 * The domain to sign for. This server's own mail has no client that could be asked: its author is believed when the
 * reverse-path is of the same domain; else the agent in Sender (RFC 5322 section 3.6.2) signs, if the reverse-path is
 * its own.
 */
function domainFor(delivery: Delivery, fields: readonly RawField[]): string | undefined {
  const { protocol, identity } = delivery.message.session
  const author = authorDomain(fields)
  if (protocol !== 'LOCAL' || identity !== undefined || delivery.from === '') return author
  const sender = domainOf(delivery.from)
  if (author !== undefined && isWithin(sender, author)) return author
  return authorDomain(fields, 'sender') === sender ? sender : undefined
}

const domainOf = (address: string) => signingDomain(address.slice(address.lastIndexOf('@') + 1))
const isWithin = (domain: string, above: string) => domain === above || domain.endsWith(`.${above}`)

/**
 * For authenticated senders, signs only if the account may send as the author. An identity without an account has no
 * addresses: the author domain must equal that of the reverse-path, which was authorised at MAIL.
 */
async function mayBeFrom(
  { headers, message: { session, from } }: Delivery,
  domain: string,
  accounts: AccountsApi | undefined,
): Promise<boolean> {
  const { identity } = session
  if (identity === undefined) return true
  if (accounts !== undefined && identity.account !== undefined) {
    for (const author of authorsOf(headers) ?? [''])
      if (!(await accounts.maySendAs(identity.account, author))) return false
    return true
  }
  if (from === '') return true
  return isWithin(domainOf(from), domain)
}

function noteOnce({ message }: Delivery, note: HookContext['note'], value: string): void {
  if (!message.findings.some((one) => one.name === 'signed' && one.value === value)) note('signed', value)
}
