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

/** The unsubscribe address of a mailing list; a web page that asks questions is left to the text. */
function unsubscribeOf(urls: readonly string[] | null | undefined, post: string | null | undefined) {
  const isOneClick =
    /^\s*list-unsubscribe=one-click\s*$/i.test(post ?? '') && (urls ?? []).some((url) => /^https:/i.test(url))
  const mailto = (urls ?? []).find((url) => /^mailto:[^\s?]{3,500}/i.test(url))?.slice('mailto:'.length)
  return isOneClick || mailto ? { isOneClick, mailto } : undefined
}

export function bodyOf(email: Json): Body {
  const { bodyValues, htmlBody, textBody, attachments } = email
  const values = bodyValues as Record<string, { value: string; isTruncated?: boolean }>
  const textOf = ({ partId }: Part) => values[partId ?? '']?.value ?? ''
  const htmlParts = (htmlBody as Part[]).filter(({ type }) => type === 'text/html')
  const textParts = (textBody as Part[]).filter(({ type }) => type === 'text/plain')
  return {
    html: htmlParts.length > 0 ? htmlParts.map(textOf).join('\n') : undefined,
    text: textParts.map(textOf).join('\n'),
    attachments,
    unsubscribe: unsubscribeOf(email[LIST_UNSUBSCRIBE], email[LIST_POST]),
    isTruncated: Object.values(values).some(({ isTruncated }) => isTruncated),
  }
}
