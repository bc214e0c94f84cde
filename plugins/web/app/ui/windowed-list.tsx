/**
 * A list of any length as a grid whose rows have one height: only those in sight are in the document.
 *
 * Invariants: the grid has the focus and names the active row, so that a row that leaves the document never takes the
 * focus with it.
 */
import {
  type KeyboardEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from 'react'

export interface WindowedListProps {
  readonly label: string
  readonly count: number
  /** The active row; -1 for none. */
  readonly active: number
  readonly row: (index: number) => {
    readonly label: string
    readonly content: ReactNode
    readonly className: string
    readonly isSelected: boolean
    /** Shown above the row: a new group begins here. */
    readonly heading?: string
  }
  onActivate(index: number): void
  onOpen(index: number): void
  onToggle(index: number): void
  /** A row that is dragged; rows stay where they are without it. */
  onDrag?(index: number, transfer: DataTransfer): void
  /** Which rows are in sight. */
  onSee(first: number, last: number): void
}

const OVERSCAN = 6
const FALLBACK_HEIGHT = 56

/** The row height that the density says. */
function useRowHeight(): number {
  const read = useCallback(
    () =>
      Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue('--d-row'), 10) || FALLBACK_HEIGHT,
    [],
  )
  const [height, setHeight] = useState(read)
  useEffect(() => {
    const look = () => setHeight(read())
    const observer = new MutationObserver(look)
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-density'] })
    addEventListener('resize', look)
    return () => {
      observer.disconnect()
      removeEventListener('resize', look)
    }
  }, [read])
  return height
}

/** The first row in sight and how many fit. */
function useSight(height: number) {
  const box = useRef<HTMLDivElement>(null)
  const [sight, setSight] = useState({ first: 0, fit: 20 })
  const look = useCallback(() => {
    const { current } = box
    if (!current) return
    const next = { first: Math.floor(current.scrollTop / height), fit: Math.ceil(current.clientHeight / height) + 1 }
    setSight((last) => (last.first === next.first && last.fit === next.fit ? last : next))
  }, [height])
  useLayoutEffect(() => {
    look()
    const observer = new ResizeObserver(look)
    if (box.current) observer.observe(box.current)
    return () => observer.disconnect()
  }, [look])
  return { box, sight, look }
}

const STEPS: Readonly<Record<string, (at: number, page: number, count: number) => number>> = {
  ArrowDown: (at) => at + 1,
  ArrowUp: (at) => at - 1,
  PageDown: (at, page) => at + page,
  PageUp: (at, page) => at - page,
  Home: () => 0,
  End: (_at, _page, count) => count - 1,
}

export function WindowedList({
  label,
  count,
  active,
  row,
  onActivate,
  onOpen,
  onToggle,
  onDrag,
  onSee,
}: WindowedListProps) {
  const id = useId()
  const height = useRowHeight()
  const { box, sight, look } = useSight(height)
  const last = Math.min(count - 1, sight.first + sight.fit)
  useEffect(() => onSee(sight.first, Math.max(last, sight.first)), [onSee, sight.first, last])

  // The active row comes into sight.
  useLayoutEffect(() => {
    const { current } = box
    if (!current || active < 0) return
    const top = active * height
    if (top < current.scrollTop) current.scrollTop = top
    else if (top + height > current.scrollTop + current.clientHeight)
      current.scrollTop = top + height - current.clientHeight
  }, [active, height, box])

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || count === 0) return
    const step = STEPS[event.key]
    if (step) onActivate(Math.max(0, Math.min(count - 1, step(active, Math.max(1, sight.fit - 2), count))))
    else if (event.key === 'Enter' && active >= 0) onOpen(active)
    else if (event.key === ' ' && active >= 0) onToggle(active)
    else return
    event.preventDefault()
  }

  const from = Math.max(0, sight.first - OVERSCAN)
  const to = Math.min(count - 1, sight.first + sight.fit + OVERSCAN)
  const shown = Array.from({ length: Math.max(0, to - from + 1) }, (_, offset) => from + offset)
  const isActiveShown = active >= from && active <= to
  return (
    <div
      ref={box}
      className="list"
      role="grid"
      aria-label={label}
      aria-rowcount={count}
      aria-multiselectable="true"
      tabIndex={0}
      aria-activedescendant={isActiveShown ? `${id}-${active}` : undefined}
      onScroll={look}
      onKeyDown={onKeyDown}
    >
      <div className="list-space" role="presentation" style={{ height: count * height }}>
        {shown.map((index) => {
          const { label: sentence, content, className, isSelected, heading } = row(index)
          return (
            <div
              key={index}
              id={`${id}-${index}`}
              role="row"
              aria-rowindex={index + 1}
              aria-selected={isSelected}
              aria-current={index === active ? true : undefined}
              className={className}
              style={{ transform: `translateY(${index * height}px)` }}
              draggable={onDrag !== undefined}
              onDragStart={(event) => onDrag?.(index, event.dataTransfer)}
              onClick={() => onOpen(index)}
              onKeyDown={undefined}
            >
              <div role="gridcell" className="cell">
                <span className="sr">{heading === undefined ? sentence : `${heading}: ${sentence}`}</span>
                {heading === undefined ? null : (
                  <span className="heading" aria-hidden="true">
                    {heading}
                  </span>
                )}
                <div className="cell-look" aria-hidden="true">
                  {content}
                </div>
              </div>
            </div>
          )
        })}
      </div>
    </div>
  )
}
