/**
 * The text and the files of a message, from what the server answers.
 */
import type { Json } from './client.ts'
import type { Body, Part } from './objects.ts'

const MAX_BODY = 1_000_000
const LIST_UNSUBSCRIBE = 'header:List-Unsubscribe:asURLs'
const LIST_POST = 'header:List-Unsubscribe-Post:asText'

/** Arguments of `Email/get` and `Email/parse`. */
export const BODY_ARGUMENTS = {
  properties: ['id', 'blobId', 'bodyValues', 'htmlBody', 'textBody', 'attachments', LIST_UNSUBSCRIBE, LIST_POST],
  bodyProperties: ['partId', 'blobId', 'size', 'name', 'type', 'cid', 'disposition'],
  fetchHTMLBodyValues: true,
  fetchTextBodyValues: true,
  maxBodyValueBytes: MAX_BODY,
}

/** Text within HTML. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** The unsubscribe address of a mailing list; a web page that asks questions is left to the text. */
function unsubscribeOf(urls: readonly string[] | null | undefined, post: string | null | undefined) {
  const isOneClick =
    /^\s*list-unsubscribe=one-click\s*$/i.test(post ?? '') && (urls ?? []).some((url) => /^https:/i.test(url))
  const mailto = (urls ?? []).find((url) => /^mailto:[^\s?]{3,500}/i.test(url))?.slice('mailto:'.length)
  return isOneClick || mailto ? { isOneClick, mailto } : undefined
}

const SHOWN_IMAGE = /^image\/(?:png|jpe?g|gif|webp|avif|bmp)$/

/** Images between the texts of a message (Apple Mail), with an id of their own where they have none. */
const inlineImages = (parts: readonly Part[], attachments: readonly Part[]): readonly Part[] =>
  parts
    .filter(({ type, blobId }) => SHOWN_IMAGE.test(type) && !attachments.some((other) => other.blobId === blobId))
    .map((part) => ({ ...part, cid: part.cid ?? `part-${part.partId}`, disposition: 'inline' }))

export function bodyOf(email: Json): Body {
  const { bodyValues, htmlBody, textBody, attachments } = email
  const values = bodyValues as Record<string, { value: string; isTruncated?: boolean }>
  const textOf = ({ partId }: Part) => values[partId ?? '']?.value ?? ''
  const parts = htmlBody as readonly Part[]
  const images = inlineImages(parts, attachments)
  const others = parts.filter(
    ({ type, blobId }) =>
      !type.startsWith('text/') && ![...images, ...attachments].some((one) => one.blobId === blobId),
  )
  const htmlOf = (part: Part): string => {
    if (part.type === 'text/html') return textOf(part)
    const image = images.find(({ blobId }) => blobId === part.blobId)
    if (image) return `<p><img src="cid:${escaped(image.cid ?? '')}" alt="${escaped(image.name ?? '')}"></p>`
    return part.type === 'text/plain' ? `<div style="white-space:pre-wrap">${escaped(textOf(part).trim())}</div>` : ''
  }
  const isHtml = images.length > 0 || parts.some(({ type }) => type === 'text/html')
  return {
    html: isHtml ? parts.map(htmlOf).join('\n') : undefined,
    text: (textBody as readonly Part[])
      .filter(({ type }) => type === 'text/plain')
      .map(textOf)
      .join('\n'),
    attachments: [...attachments, ...images, ...others],
    unsubscribe: unsubscribeOf(email[LIST_UNSUBSCRIBE], email[LIST_POST]),
    isTruncated: Object.values(values).some(({ isTruncated }) => isTruncated),
  }
}
