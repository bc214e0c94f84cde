/**
 * Received reports: by mail to the configured addresses and by HTTPS; parsed and kept.
 *
 * Invariants: mail is delivered whatever its report contains; a flood of reports fills neither the store nor memory.
 */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { encodeRecord, key, type ReadableMessage, type SetupContext } from 'iems'
import { Answer, type HttpApi, HttpProblem } from '../../web/http/api.ts'
import type { Options } from './options.ts'
import { readReport, type TlsReport } from './report.ts'
import { dayOf } from './tally.ts'

const unzip = promisify(gunzip)
const MAX_ATTACHMENTS = 5
const MAX_BODY = 1024 * 1024
const PER_MINUTE = 30

export interface KeptReport {
  readonly report: TlsReport
  /** Milliseconds since 1970. */
  readonly receivedAt: number
  /** `mail` with the DMARC result of the message, or `https` with the client's address: anyone can send reports. */
  readonly way: 'mail' | 'https'
  readonly by: string
}

export interface ReceivingDeps extends Pick<SetupContext, 'store' | 'clock' | 'log'> {
  readonly options: Options
}

export class Receiving {
  readonly #deps: ReceivingDeps
  readonly #wanted: ReadonlySet<string>

  constructor(deps: ReceivingDeps) {
    this.#deps = deps
    this.#wanted = new Set(deps.options.receiveAt.map((address) => address.toLowerCase()))
  }

  async fromMail(message: ReadableMessage): Promise<void> {
    const isWanted = message.recipients.some(
      ({ address, original }) => this.#wanted.has(address.toLowerCase()) || this.#wanted.has(original.toLowerCase()),
    )
    if (!isWanted) return
    const parsed = await message.parse()
    const dmarc = message.findings.find(({ name }) => name === 'dmarc')?.value ?? 'none'
    for (const { content, contentType, filename = '' } of (parsed?.attachments ?? []).slice(0, MAX_ATTACHMENTS)) {
      if (!/^application\/tlsrpt\+/.test(contentType) && !/\.json(?:\.gz)?$/i.test(filename)) continue
      try {
        await this.#keep(await this.#expanded(content), { way: 'mail', by: `dmarc=${dmarc}` })
      } catch (cause) {
        // The message itself is delivered, so a person can read it.
        this.#deps.log.warn('a TLS report was not understood', { message: message.id, cause })
      }
    }
  }

  addRoute(http: HttpApi): void {
    http.stream({
      method: 'POST',
      path: this.#deps.options.path,
      who: 'anyone',
      summary: 'Reports on TLS (RFC 8460)',
      limit: { body: MAX_BODY, perMinute: PER_MINUTE },
      run: async ({ body, remote }) => {
        const octets = Buffer.concat(await Array.fromAsync(body))
        let json: string
        try {
          json = await this.#expanded(octets)
          readReport(json)
        } catch {
          throw new HttpProblem(400, 'This is no report on TLS (RFC 8460)')
        }
        if (!(await this.#keep(json, { way: 'https', by: remote })))
          throw new HttpProblem(429, 'Too many reports today')
        return new Answer(201)
      },
    })
  }

  async #expanded(octets: Buffer): Promise<string> {
    const { maxSize } = this.#deps.options
    if (octets.length > maxSize) throw new Error('the report is too large')
    const isGzipped = octets[0] === 0x1f && octets[1] === 0x8b
    return (isGzipped ? await unzip(octets, { maxOutputLength: maxSize }) : octets).toString('utf8')
  }

  /** Whether there was room for it. */
  async #keep(json: string, how: Pick<KeptReport, 'way' | 'by'>): Promise<boolean> {
    const { store, clock, log, options } = this.#deps
    const report = readReport(json)
    const day = dayOf(clock.now())
    let today = 0
    const range = { from: key('received', day), to: key('received', day, Number.MAX_SAFE_INTEGER) }
    for await (const _ of store.scan({ ...range, limit: options.receivedPerDay })) today++
    const organization = report['organization-name']
    if (today >= options.receivedPerDay) {
      log.warn('a TLS report was not kept: too many today', { organization })
      return false
    }
    const kept: KeptReport = { report, receivedAt: clock.now(), ...how }
    // A repeated report has the same record.
    const id = createHash('sha256').update(`${organization}\0${report['report-id']}`).digest('hex').slice(0, 32)
    await store.commit([{ put: key('received', day, id), value: encodeRecord(kept) }])
    log.info('a TLS report was received', { organization, way: how.way })
    return true
  }
}
