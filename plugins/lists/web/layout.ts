/**
 * The frame of every page, and masking of addresses.
 *
 * Invariants: pages work without script; content of mail is text, never markup.
 */
import { type Html, type HtmlValue, html } from '../../web/http/api.ts'
import type { Language, MailingList } from '../api.ts'
import { pageLanguage, wordsIn, wordsOf } from './words.ts'

export const pathOf = (list: MailingList): string => `/lists/${encodeURIComponent(list.address)}`
export const titleOf = ({ settings, address }: MailingList): string => settings.description || address

export interface Page {
  readonly title: string
  readonly list?: MailingList | undefined
  /** The archive is not public, or the page concerns one person. */
  readonly isPrivate?: boolean
  /** Way to the page, behind the list: path and text. */
  readonly crumbs?: readonly (readonly [path: string, text: string])[]
  /** One line below the title. */
  readonly meta?: HtmlValue
  readonly body: HtmlValue
  readonly aside?: HtmlValue
  /** Default: the list's. */
  readonly language?: Language
  /** The words of a search. */
  readonly query?: string
}

const BRAND = html`<svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M2.5 5.5 10 11l7.5-5.5"/><path d="M2.5 5.5v10h9.5"/><circle cx="16" cy="15.5" r="1.7" fill="currentColor" stroke="none"/></svg>`

const languageOf = ({ language, list }: Page): Language => pageLanguage(language ?? list?.settings.language ?? 'en')

function top(given: Page): Html {
  const { list, query = '' } = given
  const t = wordsIn(languageOf(given))
  const hasArchive = list !== undefined && list.settings.archive !== 'none'
  const find = hasArchive
    ? html`<form class="find" role="search" method="get" action="${pathOf(list)}/search"><label class="sr" for="find">${t('Search {}', titleOf(list))}</label><input id="find" name="q" type="search" maxlength="200" value="${query}" placeholder="${t('Search the archive')}"></form>`
    : ''
  const join =
    list && list.settings.subscribe !== 'closed'
      ? html`<a class="btn" href="${pathOf(list)}#join">${t('Subscribe')}</a>`
      : ''
  return html`<header class="top"><div class="wrap"><a class="brand" href="/lists" aria-label="${t('Mailing lists')}">${BRAND}<span>${t('Mailing lists')}</span></a>${find}${join}</div></header>`
}

export function page(given: Page): Html {
  const { title, list, isPrivate = false, crumbs = [], meta, body, aside } = given
  const language = languageOf(given)
  const t = wordsIn(language)
  const robots = isPrivate ? html`<meta name="robots" content="noindex, nofollow">` : ''
  const feed =
    list && list.settings.archive === 'public'
      ? html`<link rel="alternate" type="application/atom+xml" title="${list.address}" href="${pathOf(list)}/atom">`
      : ''
  const way = list && title !== titleOf(list) ? [[pathOf(list), titleOf(list)] as const, ...crumbs] : crumbs
  const crumb =
    way.length > 0
      ? html`<nav class="crumb sm" aria-label="${t('Where you are')}">${way.map(([path, text], at) => html`${at > 0 ? html`<span class="t3">/</span>` : ''}<a href="${path}">${text}</a>`)}</nav>`
      : ''
  return html`<!doctype html><html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">${robots}${feed}<title>${title}</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/lists-style.css"></head><body><a class="skip" href="#main">${t('Skip to the content')}</a>${top(given)}<div class="wrap grid${aside ? '' : ' one'}"><main id="main">${crumb}<h1>${title}</h1>${meta ? html`<p class="meta">${meta}</p>` : ''}${body}</main>${aside ? html`<aside>${aside}</aside>` : ''}</div></body></html>`
}

/** Replaces `ann@example.org` by `ann@…` throughout a text. Linear. */
export function masked(text: string, mark = '…'): string {
  return text.replace(/(?<=[A-Za-z0-9._%+-]@)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,20}/g, mark)
}

/** Links to the pages before and after; nothing when there is one. */
export function pager(list: MailingList, path: string, current: number, isMore: boolean): HtmlValue {
  if (current === 1 && !isMore) return ''
  const t = wordsOf(list)
  const link = (number: number, text: string) =>
    html`<a class="btn" href="${path}${path.includes('?') ? '&' : '?'}page=${number}">${text}</a>`
  return html`<nav class="acts foot" aria-label="${t('Pages')}">${current > 1 ? link(current - 1, t('Previous')) : ''}${isMore ? link(current + 1, t('Next')) : ''}</nav>`
}

/** A page that says one thing. */
export const said = (title: string, text: string, about?: MailingList): Html =>
  page({ title, list: about, isPrivate: true, body: html`<p class="note" role="status">${text}</p>` })
