/**
 * `iems acme …`: the state of the certificates, and renewal at once.
 */
import { type Command, defineCommand, escapeLine } from 'iems'
import * as z from 'zod'
import type { CertificateState, Renewal, Renewed } from './renewal.ts'

const stateRow = z.object({
  name: z.string(),
  names: z.array(z.string()),
  until: z.string().nullable().describe('End of validity, ISO 8601'),
  renewAt: z.string().nullable().describe('Time of renewal that the authority suggested, ISO 8601'),
  authority: z.string().nullable(),
  failure: z.string().nullable().describe('Reason of the last failed order since the last success'),
  nextAttempt: z.string().nullable(),
})
const renewedRow = z.object({ name: z.string(), outcome: z.string(), why: z.string().optional() })

const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString())

export function createCommands(renewal: Renewal): Readonly<Record<string, Command>> {
  return {
    'acme status': defineCommand({
      summary: 'certificates, how long they are valid, and why an order failed',
      fields: z.strictObject({}),
      row: stateRow,
      async *run() {
        for (const state of await renewal.states()) yield { text: stateLine(state), value: rowOf(state) }
      },
    }),
    'acme renew': defineCommand({
      summary: 'orders due certificates now; with names, these even if they are still valid',
      fields: z.strictObject({
        names: z.array(z.string()).default([]).describe('First names of certificates'),
      }),
      arguments: ['[names...]'],
      row: renewedRow,
      async *run({ values }) {
        const known = new Set((await renewal.states()).map(({ name }) => name))
        const unknown = values.names.find((name) => !known.has(name))
        if (unknown !== undefined)
          throw new Error(`no configured certificate has the first name ${escapeLine(unknown)}`)
        const done = await renewal.renew((name) => values.names.includes(name))
        if (!done) throw new Error('another server or worker orders certificates now')
        for (const one of done) yield { text: renewedLine(one), value: one }
      },
    }),
  }
}

function rowOf({ name, names, record, failure }: CertificateState): z.input<typeof stateRow> {
  return {
    name,
    names: [...names],
    until: iso(record?.until),
    renewAt: iso(record?.renewAt),
    authority: record?.authority ?? null,
    failure: failure?.why ?? null,
    nextAttempt: iso(failure?.next),
  }
}

function stateLine({ name, names, record, failure }: CertificateState): string {
  const validity = record ? `valid until ${iso(record.until)}` : 'not issued yet'
  const fault = failure ? `; failed ${failure.count} times: ${escapeLine(failure.why)}; next ${iso(failure.next)}` : ''
  return `${name}  ${validity}${names.length > 1 ? `  also ${names.slice(1).join(' ')}` : ''}${fault}`
}

const renewedLine = ({ name, outcome, why }: Renewed) =>
  `${name}  ${outcome}${why === undefined ? '' : `: ${escapeLine(why)}`}`
