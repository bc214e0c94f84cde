/**
 * Builds a delivery for plugins and channels from its records and stored content.
 */
import type { Delivery } from '../api/hooks.ts'
import { type Body, openWith, sizeWith } from '../message/edits.ts'
import { createHeaders } from '../message/headers.ts'
import { createMessage, type MessageDeps } from '../message/message.ts'
import { STORED, type StoredDelivery } from '../queue/blob-references.ts'
import { type DeliveryRecord, type MessageRecord, reversePathOf } from '../queue/records.ts'
import type { Job } from '../queue/state.ts'
import type { Store } from '../store/store.ts'

/** Bodies up to this size are read at once, together with the header. */
const SMALL = 65_536

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
}

/** Opens a delivery: its header is in memory, its body is a stream. */
export async function openDelivery(
  job: Job,
  { store, parseLimit }: { store: Store; parseLimit: number },
): Promise<Delivery> {
  const { record } = job
  const { blob, blobSize, headerSize } = record
  const small = blobSize <= SMALL
  const stored: Body = { size: blobSize, open: (range) => store.blobs.open(blob, range) }
  const bytes = await readAll(
    openWith(stored, { prefix: '', cuts: [] }, { start: 0, end: small ? blobSize : headerSize }),
  )
  const body = small ? { ...stored, bytes } : stored
  return createDelivery(job, body, bytes.subarray(0, headerSize), parseLimit)
}

/** A delivery whose content cannot be read: only its records. */
export function unreadable(job: Job, parseLimit: number): Delivery {
  const empty = new Uint8Array(0)
  return createDelivery(job, { size: 0, bytes: empty, async *open() {} }, empty, parseLimit)
}

function createDelivery(
  { record, number, delivery }: Job,
  body: Body,
  header: Uint8Array,
  parseLimit: number,
): StoredDelivery {
  const edits = { prefix: record.edits.prefix, cuts: [...record.edits.cuts] }
  const message = createMessage(messageParts(record, delivery, { body, header, parseLimit }))
  return {
    id: `${record.id}.${number}`,
    message,
    route: { channel: delivery.channel, nexthop: delivery.nexthop },
    recipients: delivery.recipients,
    attempt: delivery.attempt + 1,
    from: reversePathOf(record, delivery),
    headers: createHeaders(header, edits),
    get size() {
      return sizeWith(body, edits)
    },
    needs: record.needs,
    open: (range) => openWith(body, edits, range),
    [STORED]: { record, edits },
  }
}

function messageParts(
  record: MessageRecord,
  delivery: DeliveryRecord,
  rest: Pick<MessageDeps, 'body' | 'header' | 'parseLimit'>,
): MessageDeps {
  const { id, session, from, parameters, priority, recipients, edits } = record
  return {
    id,
    session,
    from,
    parameters,
    priority,
    recipients,
    edits,
    findings: () => [...record.findings, ...delivery.findings],
    ...rest,
  }
}
