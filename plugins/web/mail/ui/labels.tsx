/** Labels as they are shown: a name on a tint, or a dot beside a name. */
import { t } from '../../app/ui/language.ts'
import { COLORS, type Color, type Label, labelsOf } from '../store/labels.ts'
import type { Email } from '../store/objects.ts'
import { useApplication } from './application.ts'

const MAX_SHOWN = 3

/** Thunderbird's five have no name on the server. */
export const labelName = ({ id, keyword, name }: Label): string =>
  id === undefined && /^\$label[1-5]$/.test(keyword) ? t(`label.${keyword}`) : name

/** The class of the kit for a colour. */
export const colorClass = (color: Color | undefined): string =>
  color === undefined ? '' : ` l${COLORS.indexOf(color) + 1}`

export const Dot = ({ color }: { readonly color: Color | undefined }) => (
  <i className={`dot${colorClass(color)}`} aria-hidden="true" />
)

export function Labels({ emails }: { readonly emails: readonly Email[] }) {
  const { store } = useApplication()
  const all = labelsOf(store.labels, emails)
  return (
    <>
      {all.slice(0, MAX_SHOWN).map((label) => (
        <span key={label.keyword} className={`lab${colorClass(label.color)}`}>
          {labelName(label)}
        </span>
      ))}
      {all.length > MAX_SHOWN ? <span className="sm t3">+{all.length - MAX_SHOWN}</span> : null}
    </>
  )
}
