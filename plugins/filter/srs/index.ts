/**
 * Sends forwarded mail under a local reverse-path (SRS), and returns reports to the original sender.
 *
 * Invariants: only mail forwarded to external recipients is rewritten; a forged or expired SRS address is refused, so
 * that nothing can be relayed by inventing one.
 */
import { type Delivery, definePlugin, refuse } from 'iems'
import { comparable, matchDomains, readAddress } from './addresses.ts'
import { options } from './options.ts'
import { Scheme } from './scheme.ts'

/** RFC 5321 section 4.5.3.1.3: a path has at most 256 octets, with its brackets. */
const LONGEST = 254

export const srs = definePlugin({
  name: 'srs',
  config: options,
  setup(config, ctx) {
    const domain = comparable(config.domain)
    const scheme = new Scheme({
      ...config,
      domain,
      secrets: config.secrets.map((secret) => secret.reveal()),
      now: ctx.clock.now,
    })
    const isOurDomain = matchDomains([config.domain, ...config.domains])
    const isOurs = (address: string) => isOurDomain(readAddress(address)?.domain ?? '')
    /** Mail for a local address that goes to an external one. */
    const isForwarded = ({ recipients }: Delivery) =>
      recipients.some(({ address, original }) => address.toLowerCase() !== original.toLowerCase() && !isOurs(address))

    return {
      hooks: {
        dispatch(delivery, { note, log }) {
          const { from } = delivery
          if (!readAddress(from) || isOurs(from) || !isForwarded(delivery)) return
          const rewritten = scheme.rewrite(from)
          if (rewritten === undefined || Buffer.byteLength(rewritten) > LONGEST) {
            log.info('the sender stays: too long to be rewritten', { message: delivery.message.id })
            return
          }
          delivery.from = rewritten
          if (!delivery.message.findings.some(({ name, value }) => name === 'srs' && value === rewritten))
            note('srs', rewritten)
        },
        expand: {
          stage: 'early',
          handler({ to, from }) {
            const read = readAddress(to.address)
            // RFC 5321 section 4.5.1: the domain has no other mailboxes, so this is the server's postmaster.
            if (read && comparable(read.domain) === domain && /^(?:postmaster|abuse)$/i.test(read.local))
              return [{ ...to, address: 'postmaster' }]
            const restored = read && comparable(read.domain) === domain ? scheme.restore(read.local) : undefined
            if (!restored) return
            if (restored.kind === 'forged') return refuse(550, '5.7.1', 'This address was not given out here')
            if (restored.kind === 'expired') return refuse(550, '5.7.1', 'This address is no longer valid')
            if (from !== '' && config.accept === 'reports')
              return refuse(550, '5.7.1', 'This address takes nothing but reports')
            return [{ ...to, address: restored.address }]
          },
        },
      },
    }
  },
})
