/**
 * Mail of our own leaves with DKIM signatures.
 *
 * What must stay true: only mail of whom we know is signed, for the domain it says it is from; it is signed as it leaves,
 * after every change; what cannot be signed at this moment waits rather than leaves without.
 */
import { type Delivery, definePlugin, type HookContext } from 'iems'
import { authorDomain, foldDomain } from './author.ts'
import { createCommands } from './commands.ts'
import { createKeys } from './keys.ts'
import { type Options, options } from './options.ts'
import { hashContent, signatureOf } from './signature.ts'

const DAY_MS = 86_400_000

export const dkim = definePlugin({
  name: 'dkim',
  config: options.prefault({}),
  setup(config, ctx) {
    const keys = createKeys(ctx.store, ctx.clock, config.keys)
    return {
      hooks: {
        dispatch: {
          stage: 'last',
          async handler(delivery, { note, log }) {
            if (!isOurs(delivery, config)) return
            const hashed = await hashContent(delivery.open(), config.header)
            const domain = hashed && authorDomain(hashed.fields)
            const signing = domain === undefined ? [] : await keys.signingFor(domain)
            if (!hashed || domain === undefined || signing.length === 0) return
            if (!mayBeFrom(delivery, signing[0]?.domain as string)) {
              log.info('not signed: it is from another domain than its sender', {
                message: delivery.message.id,
                domain,
              })
              return
            }
            const at = Math.floor(ctx.clock.now() / 1000)
            const stamp = { at, ...(config.expires > 0 ? { expires: at + (config.expires * DAY_MS) / 1000 } : {}) }
            for (const one of signing)
              delivery.headers.prepend('DKIM-Signature', await signatureOf(hashed, one, config, stamp))
            noteOnce(delivery, note, signing.map(({ domain: d, selector }) => `${selector}._domainkey.${d}`).join(' '))
          },
        },
      },
      commands: createCommands({ ...config, ...ctx, keys }),
    }
  },
})

/** Of a user, of a network of ours, or of this server itself. */
function isOurs({ message: { session } }: Delivery, { networks }: Options): boolean {
  return session.protocol === 'LOCAL' || session.identity !== undefined || (networks && session.trusted)
}

/** Who has logged in is signed for only where he sends from: whose address that is has been seen to. */
function mayBeFrom({ message: { session, from } }: Delivery, domain: string): boolean {
  if (session.identity === undefined || from === '') return true
  const sender = foldDomain(from.slice(from.lastIndexOf('@') + 1))
  return sender === domain || sender.endsWith(`.${domain}`)
}

function noteOnce({ message }: Delivery, note: HookContext['note'], value: string): void {
  if (!message.findings.some((one) => one.name === 'signed' && one.value === value)) note('signed', value)
}
