/**
 * The administration's page of what was taken back from mailboxes: listed, released to its mailbox, or removed.
 */
import * as z from 'zod'
import type { ActionOutput, AdminApi } from '../../web/admin/api.ts'
import type { MailboxQuarantine, Taken } from './mailbox-quarantine.ts'
import type { Stored } from './rescan.ts'

const PAGE = 100
const MAX_SHOWN_OCTETS = 262_144
const GONE = 'It is not in quarantine any more'

const row = z.object({
  id: z.string(),
  taken: z.string().describe('Taken back (UTC)'),
  account: z.string().describe('Account'),
  mailbox: z.string().describe('Mailbox'),
  subject: z.string().describe('Subject'),
  why: z.string().describe('Reason'),
  size: z.number().describe('Octets'),
})
type Row = z.output<typeof row>

export function addQuarantinePage(admin: AdminApi, name: string, { taken, accounts }: Stored): void {
  admin.page({
    id: `${name}-quarantine`,
    title: name === 'antivirus' ? 'Taken back' : `Taken back by ${name}`,
    group: 'protection',
    summary: 'Messages with a virus that a rescan took from mailboxes.',
    table: {
      row,
      filter: z.object({ search: z.string().max(500).optional().describe('Part of any column.') }),
      rows: ({ search = '' }, cursor) => rowsOf({ taken, accounts }, search.toLowerCase(), cursor),
      preview: (id) => previewOf(taken, id),
      actions: [
        { id: 'release', title: 'Release', run: (ids, { signal }) => each(ids, signal, 'released', giveBack(taken)) },
        {
          id: 'remove',
          title: 'Remove…',
          irreversible: true,
          run: (ids, { signal }) => each(ids, signal, 'removed', (id) => taken.remove(id)),
        },
      ],
    },
  })
}

/** The beginning of the source: nothing of the message is interpreted. */
async function previewOf(taken: MailboxQuarantine, id: string): Promise<string | undefined> {
  const kept = await taken.read(id)
  if (!kept) return undefined
  const parts: Buffer[] = []
  let left = MAX_SHOWN_OCTETS
  for await (const part of taken.open(kept)) {
    parts.push(Buffer.from(part.subarray(0, left)))
    left -= part.length
    if (left <= 0) break
  }
  return Buffer.concat(parts).toString('utf8')
}

const giveBack = (taken: MailboxQuarantine) => async (id: string) => (await taken.giveBack(id)) !== undefined

async function rowsOf({ taken, accounts }: Omit<Stored, 'mail'>, search: string, cursor: string | undefined) {
  const names = new Map<string, string>()
  const rows: Row[] = []
  for await (const one of taken.list(cursor)) {
    if (!names.has(one.account)) names.set(one.account, (await accounts.byId(one.account))?.name ?? one.account)
    const shown = rowOf(one, names.get(one.account) as string)
    if (!Object.values(shown).join('\n').toLowerCase().includes(search)) continue
    if (rows.length === PAGE) return { rows, next: rows.at(-1)?.id as string }
    rows.push(shown)
  }
  return { rows }
}

function rowOf({ id, at, mailbox, subject, why, size }: Taken, account: string): Row {
  const taken = new Date(at).toISOString().slice(0, 16).replace('T', ' ')
  return { id, taken, account, mailbox, subject, why, size }
}

/** One fault does not stop the others. */
async function* each(
  ids: readonly string[],
  signal: AbortSignal,
  what: string,
  act: (id: string) => Promise<boolean>,
): AsyncGenerator<ActionOutput> {
  let count = 0
  for (const id of ids) {
    if (signal.aborted) return
    const fault = await act(id).then(
      (isDone) => (isDone ? undefined : GONE),
      (cause: Error) => cause.message,
    )
    if (fault === undefined) count++
    else yield { fault, at: id }
  }
  yield { text: `${count} ${what}`, value: { count } }
}
