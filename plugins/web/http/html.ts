/**
 * Pages as template strings that escape automatically.
 *
 * Invariants: only `Html` values become markup; everything else is text. Templates must quote attribute values.
 */

import { escapeHtml } from 'iems'

/** Markup that is safe to send. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  toString(): string {
    return this.text
  }
}

export type HtmlValue = Html | string | number | boolean | null | undefined | readonly HtmlValue[]

function markup(value: HtmlValue): string {
  if (value instanceof Html) return value.text
  if (Array.isArray(value)) return value.map(markup).join('')
  return value === null || value === undefined || value === false ? '' : escapeHtml(String(value))
}

/** html`<h1>${name}</h1>`: values are escaped; arrays are joined; null, undefined and false are nothing. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = strings[0] ?? ''
  for (const [index, value] of values.entries()) text += markup(value) + (strings[index + 1] ?? '')
  return new Html(text)
}

/** Markup of the caller's own; never anything that came from outside. */
export const raw = (text: string): Html => new Html(text)
