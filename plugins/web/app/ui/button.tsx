/**
 * A button that shows only an icon: it always has a name, and its title shows its key.
 */
import type { ReactNode } from 'react'
import { Icon, type IconName } from './icon.tsx'

export interface IconButtonProps {
  readonly icon: IconName
  readonly label: string
  /** Keyboard shortcut, a single key. */
  readonly shortcut?: string
  readonly small?: boolean
  readonly pressed?: boolean
  readonly disabled?: boolean
  readonly className?: string
  readonly children?: ReactNode
  onClick(): void
}

export const IconButton = ({
  icon,
  label,
  shortcut,
  small,
  pressed,
  disabled,
  className,
  onClick,
}: IconButtonProps) => (
  <button
    type="button"
    className={`ib${small ? ' small' : ''}${className ? ` ${className}` : ''}`}
    aria-label={label}
    title={shortcut ? `${label}  ${shortcut}` : label}
    aria-pressed={pressed}
    disabled={disabled}
    onClick={onClick}
  >
    <Icon name={icon} />
  </button>
)
