/**
 * A menu behind a button (React Aria): arrow keys, type-ahead, and the focus goes back to the button.
 */
import type { ReactNode } from 'react'
import { Button, Menu, MenuItem, MenuTrigger, Popover, Separator } from 'react-aria-components'
import { Icon, type IconName } from './icon.tsx'

export interface MenuEntry {
  readonly id: string
  readonly label: string
  readonly icon?: IconName
  /** Class of a coloured dot in front of it. */
  readonly dot?: string
  /** Shown at the end: a key or a time. */
  readonly end?: string
  readonly checked?: boolean
  /** Below others: how far it is moved in. */
  readonly depth?: number
  /** A line above it. */
  readonly isFirstOfGroup?: boolean
  run(): void
}

export interface MenuButtonProps {
  readonly label: string
  readonly className?: string
  readonly children: ReactNode
  readonly entries: readonly MenuEntry[]
  readonly isDisabled?: boolean
}

export const MenuButton = ({ label, className = 'ib', children, entries, isDisabled = false }: MenuButtonProps) => (
  <MenuTrigger>
    <Button className={className} aria-label={label} isDisabled={isDisabled}>
      {children}
    </Button>
    <Popover className="menu-popover" offset={4}>
      <Menu className="menu" aria-label={label} onAction={(key) => entries.find(({ id }) => id === key)?.run()}>
        {entries.flatMap(({ id, label: text, icon, dot, end, checked, depth, isFirstOfGroup }, index) => [
          ...(isFirstOfGroup && index > 0 ? [<Separator key={`${id}-line`} />] : []),
          <MenuItem key={id} id={id} textValue={text} {...(depth ? { className: `in${Math.min(depth, 3)}` } : {})}>
            {icon ? <Icon name={icon} /> : null}
            {dot === undefined ? null : <i className={`dot ${dot}`} aria-hidden="true" />}
            <span className="cut">{text}</span>
            {checked ? (
              <span className="end">
                <Icon name="check" small />
              </span>
            ) : null}
            {end ? <span className="end">{end}</span> : null}
          </MenuItem>,
        ])}
      </Menu>
    </Popover>
  </MenuTrigger>
)
