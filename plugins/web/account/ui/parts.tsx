/**
 * Parts of all pages: head, sections, lists, and what is there while something loads or fails.
 */
import type { ReactNode } from 'react'
import { Icon } from '../../app/ui/icon.tsx'
import { locale, t } from '../../app/ui/language.ts'

export const Page = ({ title, children }: { readonly title: string; readonly children: ReactNode }) => (
  <>
    <div className="head">
      <h1>{title}</h1>
    </div>
    <div className="content">{children}</div>
  </>
)

export interface SectionProps {
  readonly title: string
  readonly hint?: string
  readonly children: ReactNode
}

export const Section = ({ title, hint, children }: SectionProps) => (
  <section className="part">
    <h2>{title}</h2>
    {hint ? <p className="t2">{hint}</p> : null}
    {children}
  </section>
)

/** Rows with a name, what is known of it, and an action. */
export interface Row {
  readonly id: string
  readonly name: string
  readonly facts: string
  readonly tag?: string
  readonly action?: string
  act?(): void
}

export function Rows({ rows, empty }: { readonly rows: readonly Row[] | undefined; readonly empty: string }) {
  if (!rows) return <p className="t3">{t('loading')}</p>
  if (rows.length === 0) return <p className="t2">{empty}</p>
  return (
    <ul className="rows">
      {rows.map(({ id, name, facts, tag, action, act }) => (
        <li key={id}>
          <span className="grow">
            <span className="b">{name}</span>
            {tag ? <span className="tag good">{tag}</span> : null}
            <span className="sm t3">{facts}</span>
          </span>
          {action ? (
            <button type="button" className="btn small" aria-label={`${action}: ${name}`} onClick={() => act?.()}>
              {action}
            </button>
          ) : null}
        </li>
      ))}
    </ul>
  )
}

export const Problem = ({ text }: { readonly text: string }) =>
  text ? (
    <p className="note bad" role="alert">
      <Icon name="warn" />
      <span>{text}</span>
    </p>
  ) : null

export const dateOf = (ms: number): string =>
  new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(ms)

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const
export function sizeOf(octets: number): string {
  const step = Math.min(UNITS.length - 1, octets < 1 ? 0 : Math.floor(Math.log(octets) / Math.log(1000)))
  const unit = UNITS[step] as string
  return new Intl.NumberFormat(locale(), { style: 'unit', unit, maximumFractionDigits: 1 }).format(
    octets / 1000 ** step,
  )
}
