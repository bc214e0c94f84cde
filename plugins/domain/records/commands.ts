/**
 * `iems domain …`: the records of a mail domain, their check and their publication.
 */
import { type Command, defineCommand } from 'iems'
import * as z from 'zod'
import type { DomainsApi, Finding, WantedRecord } from './api.ts'

const recordRow = z.object({
  purpose: z.string(),
  name: z.string(),
  type: z.string(),
  lines: z.array(z.string()).describe('Lines of a zone file'),
  why: z.string(),
  isOptional: z.boolean(),
})
const findingRow = z.object({
  domain: z.string(),
  topic: z.string(),
  subject: z.string(),
  state: z.enum(['ok', 'missing', 'wrong', 'unclear']),
  text: z.string(),
  cure: z.string().optional(),
  isGrave: z.boolean(),
})
const fields = z.strictObject({ domain: z.string().toLowerCase().describe('A mail domain') })

export function createCommands(domains: DomainsApi): Readonly<Record<string, Command>> {
  return {
    'domain records': defineCommand({
      summary: 'the DNS records that a mail domain should have, as lines of a zone file',
      fields,
      arguments: ['<domain>'],
      row: recordRow,
      async *run({ values: { domain } }) {
        for (const record of await domains.records(domain)) yield* recordLines(record)
      },
    }),
    'domain check': defineCommand({
      summary: 'compares DNS, certificates, reverse names, ports and policies with what they should be',
      fields: z.strictObject({ domain: fields.shape.domain.optional() }),
      arguments: ['[domain]'],
      row: findingRow,
      async *run({ values: { domain } }) {
        const names = domain === undefined ? await domains.domains() : [domain]
        for (const name of names)
          for (const finding of (await domains.check(name)).findings)
            yield { text: findingText(finding), value: { domain: name, ...finding } }
      },
    }),
    'domain publish': defineCommand({
      summary: 'publishes the records of a mail domain that are missing or wrong, through the plugin zones',
      fields,
      arguments: ['<domain>'],
      row: recordRow,
      async *run({ values: { domain } }) {
        const changed = await domains.publish(domain)
        for (const record of changed) yield* recordLines(record)
        if (changed.length === 0) yield { text: 'all records are right' }
      },
    }),
  }
}

function* recordLines({ purpose, name, type, lines, why, isOptional }: WantedRecord) {
  const value = { purpose, name, type, lines: [...lines], why, isOptional }
  for (const [index, line] of lines.entries()) yield index === 0 ? { text: `${line}  ; ${why}`, value } : { text: line }
}

const MARKS = { ok: 'ok      ', missing: 'missing ', wrong: 'wrong   ', unclear: 'unclear ' } as const

function findingText({ state, text, cure }: Finding): string {
  return `${MARKS[state]} ${text}${cure === undefined ? '' : `\n         ${cure}`}`
}
