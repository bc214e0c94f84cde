/**
 * The frame of every page, and masking of addresses.
 *
 * Invariants: pages work without script; content of mail is text, never markup.
 */
import { type Html, type HtmlValue, html } from '../../web/http/api.ts'
import type { MailingList } from '../api.ts'

export const STYLE = `:root{color-scheme:light dark;--fg:#1f2328;--bg:#fff;--muted:#59636e;--line:#d1d9e0;--accent:#0a58ca}
@media (prefers-color-scheme:dark){:root{--fg:#e6edf3;--bg:#0d1117;--muted:#9198a1;--line:#3d444d;--accent:#6ea8fe}}
*{box-sizing:border-box}body{margin:0 auto;max-width:56rem;padding:1rem;font:1rem/1.55 system-ui,sans-serif;color:var(--fg);background:var(--bg)}
a{color:var(--accent)}header,footer{border-color:var(--line);border-style:solid;border-width:0 0 1px;padding:.5rem 0}footer{border-width:1px 0 0;margin-top:2rem;color:var(--muted)}
nav ul{display:flex;flex-wrap:wrap;gap:1rem;list-style:none;padding:0;margin:.5rem 0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .5rem;border-bottom:1px solid var(--line);vertical-align:top}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:.95rem/1.5 ui-monospace,monospace}
.meta{color:var(--muted)}article{border-bottom:1px solid var(--line);padding:1rem 0}
label{display:block;margin:.75rem 0 .25rem}input,select,button{font:inherit;padding:.5rem;max-width:100%;border:1px solid var(--muted);border-radius:.25rem;color:inherit;background:var(--bg)}
button{background:var(--accent);color:var(--bg);border-color:var(--accent);margin-top:1rem;cursor:pointer}
.extra{position:absolute;left:-100vw}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}`

export const pathOf = (list: MailingList): string => `/lists/${encodeURIComponent(list.address)}`

export interface Page {
  readonly title: string
  readonly list?: MailingList | undefined
  /** The archive is not public, or the page concerns one person. */
  readonly isPrivate?: boolean
  readonly body: HtmlValue
}

export function page({ title, list, isPrivate = false, body }: Page): Html {
  const robots = isPrivate ? html`<meta name="robots" content="noindex, nofollow">` : ''
  const feed =
    list && list.settings.archive === 'public'
      ? html`<link rel="alternate" type="application/atom+xml" title="${list.address}" href="${pathOf(list)}/atom">`
      : ''
  const nav = list
    ? html`<nav aria-label="List"><ul><li><a href="/lists">All lists</a></li><li><a href="${pathOf(list)}">${list.settings.description || list.address}</a></li>${list.settings.archive === 'none' ? '' : html`<li><a href="${pathOf(list)}/search">Search</a></li>`}</ul></nav>`
    : html`<nav aria-label="Lists"><ul><li><a href="/lists">All lists</a></li></ul></nav>`
  return html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">${robots}${feed}<title>${title}</title><link rel="stylesheet" href="/lists-style.css"></head><body><header>${nav}</header><main><h1>${title}</h1>${body}</main><footer>Mailing lists</footer></body></html>`
}

/** Replaces `ann@example.org` by `ann@…` throughout a text. Linear. */
export function masked(text: string, mark = '…'): string {
  return text.replace(/(?<=[A-Za-z0-9._%+-]@)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,20}/g, mark)
}
