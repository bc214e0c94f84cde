/**
 * Mail programs find their settings: autoconfig, autodiscover, Apple profiles, SRV records.
 *
 * Invariants: no answer depends on whether an account exists, so that none can be guessed; nothing here needs a login.
 */
import { readFile } from 'node:fs/promises'
import { CertificateService, definePlugin, type Signer, signData } from 'iems'
import * as z from 'zod'
import { Answer, Download, Http, type HttpApi, HttpProblem } from '../../web/http/api.ts'
import { ClientSettings } from './api.ts'
import { autoconfig } from './autoconfig.ts'
import { addressAsked, jsonAnswer, poxAnswer, poxError } from './autodiscover.ts'
import { mobileconfig } from './mobileconfig.ts'
import { options } from './options.ts'
import { addressIn, PROFILE_PATH, Settings } from './settings.ts'

export * from './api.ts'

const MAX_REQUEST = 16_384
const PER_MINUTE = 60
const XML = 'text/xml; charset=utf-8'

export const clients = definePlugin({
  name: 'clients',
  config: options.prefault({}),
  offers: [ClientSettings],
  needs: [Http],
  wants: [CertificateService],
  setup(config, ctx) {
    const http = ctx.use(Http)
    const settings = new Settings({
      options: config,
      hostname: ctx.hostname,
      hasJmap: () => http.routes().some(({ path }) => path === '/.well-known/jmap'),
    })
    ctx.offer(ClientSettings, settings)
    const certificates = ctx.find(CertificateService)
    // Read again for each profile, so that a new certificate counts at once.
    const signer = async (): Promise<Signer | undefined> =>
      config.sign
        ? { cert: await readFile(config.sign.cert), key: await readFile(config.sign.key) }
        : certificates?.current()
    const nameOf = (domain: string) => config.name ?? domain
    addAutoconfig(http, settings, nameOf)
    addAutodiscover(http, settings, ctx.clock.now)
    addProfile(http, settings, { nameOf, signer, now: ctx.clock.now })
    return {}
  },
})

function downloadOf(content: string | Uint8Array, type: string, name?: string): Download {
  const octets = Buffer.from(content)
  return new Download({
    type,
    size: octets.length,
    ...(name === undefined ? {} : { name }),
    open: async function* (range) {
      yield range ? octets.subarray(range.start, range.end) : octets
    },
  })
}

const ANYONE = { who: 'anyone', limit: { body: MAX_REQUEST, perMinute: PER_MINUTE } } as const

/** The domain of the address, else that in the host name. */
function addAutoconfig(http: HttpApi, settings: Settings, nameOf: (domain: string) => string): void {
  for (const path of ['/mail/config-v1.1.xml', '/.well-known/autoconfig/mail/config-v1.1.xml'])
    http.stream({
      ...ANYONE,
      method: 'GET',
      path,
      summary: 'Settings for Thunderbird (autoconfig)',
      query: z.object({ emailaddress: z.string().optional() }),
      run({ query, header }) {
        const host = (header('host') ?? header(':authority') ?? '').toLowerCase().replace(/:\d{1,5}$/, '')
        const domain =
          addressIn(query.emailaddress)?.domain ?? addressIn(`a@${host.replace(/^autoconfig\./, '')}`)?.domain
        if (domain === undefined) throw new HttpProblem(400, 'Name an address: ?emailaddress=user@example.org')
        return downloadOf(autoconfig({ domain, name: nameOf(domain), servers: settings.servers() }), XML)
      },
    })
}

function addAutodiscover(http: HttpApi, settings: Settings, now: () => number): void {
  for (const path of [
    '/autodiscover/autodiscover.xml',
    '/Autodiscover/Autodiscover.xml',
    '/AutoDiscover/AutoDiscover.xml',
  ])
    http.stream({
      ...ANYONE,
      method: 'POST',
      path,
      summary: 'Settings for Outlook (autodiscover)',
      async run({ body }) {
        const address = addressAsked(Buffer.concat(await Array.fromAsync(body)).toString('utf8'))
        const answer = address === undefined ? poxError(new Date(now())) : poxAnswer(address, settings.servers())
        return downloadOf(answer, XML)
      },
    })
  for (const path of ['/autodiscover/autodiscover.json', '/autodiscover/autodiscover.json/v1.0/:address'])
    http.route({
      ...ANYONE,
      method: 'GET',
      path,
      summary: 'URL of the settings for Outlook (autodiscover version 2)',
      query: z.object({ Protocol: z.string().optional(), protocol: z.string().optional() }),
      run({ query }) {
        const { status, body } = jsonAnswer(query.Protocol ?? query.protocol, settings.web)
        return new Answer(status, body)
      },
    })
}

interface ProfileDeps {
  nameOf(domain: string): string
  signer(): Promise<Signer | undefined>
  now(): number
}

function addProfile(http: HttpApi, settings: Settings, { nameOf, signer, now }: ProfileDeps): void {
  http.stream({
    ...ANYONE,
    method: 'GET',
    path: PROFILE_PATH,
    summary: 'Settings for iPhone, iPad and Mac, signed when there is a certificate',
    query: z.object({ address: z.string() }),
    async run({ query }) {
      const given = addressIn(query.address)
      if (!given) throw new HttpProblem(400, 'Name an address: ?address=user@example.org')
      const profile = mobileconfig({ ...given, name: nameOf(given.domain), servers: settings.servers() })
      if (profile === undefined) throw new HttpProblem(404, 'There is no server for mail programs')
      const by = await signer()
      const signed = by ? signData(Buffer.from(profile), by, new Date(now())) : profile
      return downloadOf(signed, 'application/x-apple-aspen-config', `${given.domain}.mobileconfig`)
    },
  })
}
