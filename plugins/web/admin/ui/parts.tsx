/**
 * Small parts of every screen: its head, states, marks, definition lists.
 */

import type { ReactNode } from 'react'
import { Icon, type IconName } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'

export const Head = ({
  title,
  note,
  children,
}: {
  readonly title: string
  readonly note?: string | undefined
  readonly children?: ReactNode
}) => (
  <header className="head">
    <h1>{title}</h1>
    {note ? <span className="t3 note-count">{note}</span> : null}
    {children ? <div className="end">{children}</div> : null}
  </header>
)

/** A failure with its reason and a way to go on. */
export const Failed = ({ error, onRetry }: { readonly error: Error; onRetry?(): void }) => (
  <div className="state" role="alert">
    <h2>{t('This could not be loaded')}</h2>
    <p className="t2">{error.message}</p>
    {onRetry ? (
      <button type="button" className="btn" onClick={onRetry}>
        {t('Try again')}
      </button>
    ) : null}
  </div>
)

export const Empty = ({
  title,
  text,
  children,
}: {
  readonly title: string
  readonly text: string
  readonly children?: ReactNode
}) => (
  <div className="state">
    <h2>{title}</h2>
    <p className="t2">{text}</p>
    {children}
  </div>
)

/** A part that scrolls by itself, also by keyboard. It is named by a label or by the id of its heading. */
export const Scroller = ({
  label,
  heading,
  grows = false,
  children,
}: {
  readonly label?: string
  readonly heading?: string
  readonly grows?: boolean
  readonly children: ReactNode
}) => (
  <div
    className={grows ? 'scrollx grow' : 'scrollx'}
    role="region"
    aria-label={label}
    aria-labelledby={heading}
    tabIndex={0}
  >
    {children}
  </div>
)

/** Lines as high as the rows that come. */
export const Ghost = ({ rows = 6 }: { readonly rows?: number }) => (
  <div className="ghosts" role="status" aria-label={t('Loading')}>
    {Array.from({ length: rows }, (_, index) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: the lines do not differ
      <span key={index} className="ghost" />
    ))}
  </div>
)

export type Mark = 'good' | 'wait' | 'no' | 'step' | 'off'
export const Station = ({ mark, children }: { readonly mark: Mark; readonly children: ReactNode }) => (
  <span className="ss">
    <i className={mark === 'good' ? 'st' : `st ${mark}`} aria-hidden="true" />
    {children}
  </span>
)

export const Facts = ({ facts }: { readonly facts: readonly (readonly [name: string, value: ReactNode])[] }) => (
  <dl className="dl">
    {facts.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)

export const SearchField = ({
  label,
  value,
  onChange,
  icon = 'search',
}: {
  readonly label: string
  readonly value: string
  readonly icon?: IconName
  onChange(text: string): void
}) => (
  <label className="find q">
    <Icon name={icon} small />
    <span className="sr">{label}</span>
    <input type="search" placeholder={label} value={value} onChange={({ target }) => onChange(target.value)} />
  </label>
)

export const Segments = <T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string
  readonly value: T
  readonly options: readonly (readonly [value: NoInfer<T>, title: string])[]
  onChange(value: NoInfer<T>): void
}) => (
  <div className="seg" role="group" aria-label={label}>
    {options.map(([one, title]) => (
      <button key={one} type="button" aria-pressed={one === value} onClick={() => onChange(one)}>
        {title}
      </button>
    ))}
  </div>
)

/** Nothing in a page that came without TLS, which has no clipboard. */
export const Copy = ({ text, label = t('Copy') }: { readonly text: string; readonly label?: string }) =>
  navigator.clipboard ? (
    <button type="button" className="btn small" onClick={() => void navigator.clipboard.writeText(text)}>
      <Icon name="copy" small />
      {label}
    </button>
  ) : null
