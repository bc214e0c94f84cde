/**
 * The content of an incoming message: staged from a stream, or already stored and shared.
 *
 * Invariants: both are inspected in the same way before any decision; shared content is read once and never copied,
 * unless a bare CR or LF or a missing blank line forces a changed copy.
 */
import { IemsError } from '../api/errors.ts'
import { type Body, type Edits, openWith } from '../message/edits.ts'
import { bodyOf, contentOf, type Origin, type StoredContent, sharedOrigin } from '../queue/blob-references.ts'
import type { Op, Store } from '../store/store.ts'
import { type ContentLimits, createInspector } from './inspector.ts'
import { withCrlf } from './line-ends.ts'

export interface IncomingContent {
  readonly body: Body
  readonly header: Uint8Array
  /** Initial edits of the content; none when it was staged. */
  readonly edits: Edits
  readonly isAscii: boolean
  /** Makes the content permanent: returns its blob and the ops of the accepting commit. */
  keep(): Promise<KeptContent>
  discard(): Promise<void>
}

export interface KeptContent {
  readonly blob: string
  readonly hash?: string
  /** For staged content. */
  readonly ops: readonly Op[]
  /** For content that was already stored. */
  readonly origin?: Origin
}

export interface ContentDeps {
  readonly store: Store
  readonly limits: ContentLimits
  /** BODY=BINARYMIME: octets of any value. */
  readonly isBinary: boolean
}

/** Takes content from a stream or from storage. */
export function takeContent(
  deps: ContentDeps,
  source: AsyncIterable<Uint8Array> | StoredContent,
): Promise<IncomingContent> {
  return 'blob' in source || 'route' in source ? shareContent(deps, source) : stageContent(deps, source)
}

/** Reads a stream to its end. Throws IEMS_CONTENT_… and IEMS_HEADER_TOO_LONG, and leaves nothing behind then. */
async function stageContent(
  { store, limits, isBinary }: ContentDeps,
  source: AsyncIterable<Uint8Array>,
): Promise<IncomingContent> {
  const inspector = createInspector(limits, isBinary)
  const staged = await store.blobs.stage(inspector.watch(source))
  const header = inspector.header()
  if (!header) {
    await staged.discard()
    throw new IemsError('IEMS_HEADER_TOO_LONG', { limit: limits.headerSize })
  }
  const { hash } = staged
  return {
    body: staged,
    header,
    edits: { prefix: '', cuts: [] },
    isAscii: inspector.isAscii(),
    async keep() {
      const { id: blob, ops } = await staged.keep()
      return { blob, ops, ...(hash === undefined ? {} : { hash }) }
    },
    discard: () => staged.discard(),
  }
}

async function shareContent(deps: ContentDeps, source: StoredContent): Promise<IncomingContent> {
  const { store, limits } = deps
  const { blob, edits, hash, ...sizes } = 'blob' in source ? source : contentOf(source)
  const body = bodyOf(store, { blob, ...sizes })
  const inspector = createInspector(limits, deps.isBinary)
  const lines = createLineWatch()
  for await (const chunk of inspector.watch(openWith(body, { prefix: '', cuts: [] }))) lines.push(chunk)
  if (!lines.isClean() || !inspector.hasBlankLine())
    return stageContent(deps, withCrlf(openWith(body, { ...edits, cuts: [...edits.cuts] })))
  const header = inspector.header()
  if (!header) throw new IemsError('IEMS_HEADER_TOO_LONG', { limit: limits.headerSize })
  return {
    body,
    header,
    edits: { ...edits, cuts: [...edits.cuts] },
    isAscii: inspector.isAscii(),
    keep: async () => ({ blob, ops: [], origin: sharedOrigin(source), ...(hash === undefined ? {} : { hash }) }),
    discard: async () => {},
  }
}

const LONE = /\r(?!\n)|(?<!\r)\n/

/** Detects a bare CR or LF in chunks that may divide a CRLF. */
function createLineWatch() {
  let afterCr = false
  let isClean = true
  return {
    push(chunk: Uint8Array) {
      const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
      const whole = afterCr ? `\r${text}` : text
      afterCr = whole.endsWith('\r')
      isClean &&= !LONE.test(afterCr ? whole.slice(0, -1) : whole)
    },
    isClean: () => isClean && !afterCr,
  }
}
