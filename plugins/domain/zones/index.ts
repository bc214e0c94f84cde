/**
 * Publishes DNS records: by dynamic updates (RFC 2136) with TSIG, and through the hook `zoneChange` at other providers.
 *
 * Invariants: nothing outside of the configured zones is changed by an update.
 */
import {
  definePlugin,
  duration,
  parseNameServer,
  type RecordChange,
  secretValue,
  TSIG_ALGORITHMS,
  updateZone,
} from 'iems'
import * as z from 'zod'
import { Zones } from './api.ts'

export * from './api.ts'

const key = z.strictObject({
  name: z.string().min(1).describe('Name of the key, as the name server has it.'),
  algorithm: z.enum(TSIG_ALGORITHMS).default('hmac-sha256').describe('Algorithm of the key.'),
  secret: secretValue().describe("The key in Base64: secret.env('NAME') or secret.file('/path')."),
})

const zone = z.strictObject({
  name: z.string().min(1).toLowerCase().describe('Name of the zone, such as example.org.'),
  server: z
    .string()
    .refine(
      (text) => parseNameServer(text) !== undefined,
      "must be '192.0.2.53', '192.0.2.53:53' or '[2001:db8::1]:53'",
    )
    .describe('Primary name server of the zone.'),
  key: key
    .optional()
    .describe('Key that signs the updates (TSIG). Default: unsigned; the server must trust this address.'),
})
type Zone = z.output<typeof zone>

const options = z.strictObject({
  zones: z.array(zone).max(1000).default([]).describe('Zones that this server may change by RFC 2136.'),
  timeout: duration().prefault('10 s').describe('Time for the answer of a name server.'),
})

export const zones = definePlugin({
  name: 'zones',
  config: options.prefault({}),
  offers: [Zones],
  hooks: { zoneChange: 'bail' },
  setup(config, ctx) {
    const zoneOf = (name: string): Zone | undefined => {
      const own = config.zones.filter((one) => name === one.name || name.endsWith(`.${one.name}`))
      return own.sort((a, b) => b.name.length - a.name.length)[0]
    }

    async function update({ name, server, key }: Zone, changes: readonly RecordChange[]): Promise<void> {
      await updateZone({
        zone: name,
        server,
        key: key && { ...key, secret: key.secret.reveal() },
        changes,
        timeoutMs: config.timeout,
        now: ctx.clock.now(),
      })
      ctx.log.info('DNS records changed', { zone: name, names: [...new Set(changes.map((one) => one.name))].join(' ') })
    }

    ctx.offer(Zones, {
      async change(changes) {
        const lower = changes.map((one) => ({ ...one, name: one.name.toLowerCase() }))
        for (const [own, part] of Map.groupBy(lower, ({ name }) => zoneOf(name))) {
          if (own) await update(own, part)
          else if (!(await ctx.call('zoneChange', { changes: part })))
            throw new Error(`no configured zone has ${part[0]?.name}`)
        }
      },
    })
    return {}
  },
})
