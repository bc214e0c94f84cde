/**
 * An icon by its name: 18 px, or 15 px beside small text. Never the only name of a control.
 */
import { shapes } from './icon-shapes.tsx'

export type IconName = keyof typeof shapes

export const Icon = ({ name, small = false }: { readonly name: IconName; readonly small?: boolean }) => (
  <svg className={small ? 'i s' : 'i'} viewBox="0 0 24 24" aria-hidden="true">
    {shapes[name]}
  </svg>
)

/** The product's mark: an envelope whose line ends in a station. */
export const Brand = ({ name }: { readonly name: string }) => (
  <span className="brand">
    <svg
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d="M2.5 5.5 10 11l7.5-5.5" />
      <path d="M2.5 5.5v10h9.5" />
      <circle cx="16" cy="15.5" r="1.7" fill="currentColor" stroke="none" />
    </svg>
    <span>{name}</span>
  </span>
)
