/** Plain text of a message: links can be followed, long quotes at the end are folded. */
import { type ReactNode, useState } from 'react'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'

const URL_PATTERN = /\bhttps?:\/\/[^\s<>"']{1,2000}/g
const MIN_FOLDED = 3

function linked(text: string): ReactNode[] {
  const nodes: ReactNode[] = []
  let at = 0
  for (const found of text.matchAll(URL_PATTERN)) {
    const url = found[0].replace(/[.,;:!?)\]}]{1,5}$/, '')
    nodes.push(
      text.slice(at, found.index),
      <a key={found.index} href={url} target="_blank" rel="noopener noreferrer nofollow">
        {url}
      </a>,
    )
    at = found.index + url.length
  }
  return [...nodes, text.slice(at)]
}

/** First line of the trailing quotations; the number of lines when there are none. */
function quoteStart(lines: readonly string[]): number {
  let start = lines.length
  while (start > 0 && (lines[start - 1]?.startsWith('>') || lines[start - 1]?.trim() === '')) start--
  const quoted = lines.slice(start).filter((line) => line.startsWith('>')).length
  return quoted >= MIN_FOLDED ? start : lines.length
}

export function MessageText({ text }: { readonly text: string }) {
  const [isOpen, setIsOpen] = useState(false)
  const lines = text.replaceAll('\r\n', '\n').trimEnd().split('\n')
  const start = quoteStart(lines)
  return (
    <div className="txt">
      <p className="plain">{linked(lines.slice(0, start).join('\n').trimEnd())}</p>
      {start < lines.length ? (
        <>
          <button
            type="button"
            className="btn small quo"
            aria-expanded={isOpen}
            aria-label={isOpen ? t('message.quoted.hide') : t('message.quoted')}
            onClick={() => setIsOpen(!isOpen)}
          >
            <Icon name="more" small />
          </button>
          {isOpen ? <p className="plain t2">{linked(lines.slice(start).join('\n').trim())}</p> : null}
        </>
      ) : null}
    </div>
  )
}
