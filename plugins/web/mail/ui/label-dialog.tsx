/** A dialog that makes a label, and the choice of its colour. */
import { type FormEvent, useState } from 'react'
import { Dialog } from '../../app/ui/dialog.tsx'
import { t } from '../../app/ui/language.ts'
import { createLabel } from '../store/label-changes.ts'
import { COLORS, type Color, type Label } from '../store/labels.ts'
import { useApplication } from './application.ts'
import { colorClass } from './labels.tsx'

export interface LabelDialogProps {
  onClose(): void
  onMade(label: Label): void
}

export function LabelDialog({ onClose, onMade }: LabelDialogProps) {
  const { store } = useApplication()
  const [name, setName] = useState('')
  const [color, setColor] = useState<Color>(() => COLORS[store.labels.length % COLORS.length] ?? 'green')
  const [error, setError] = useState('')
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    try {
      const label = await createLabel(store, { name, color })
      onClose()
      onMade(label)
    } catch (cause) {
      setError((cause as Error).message)
    }
  }
  return (
    <Dialog title={t('label.new.title')} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <div className={error === '' ? 'field' : 'field err'}>
          <label htmlFor="label-name">{t('label.name')}</label>
          <input
            id="label-name"
            value={name}
            required
            maxLength={100}
            autoFocus
            onChange={({ target }) => setName(target.value)}
          />
          {error === '' ? null : (
            <span className="msg" role="alert">
              {error}
            </span>
          )}
        </div>
        <ColorChoice label={t('label.color')} color={color} onColor={setColor} />
        <footer>
          <button type="button" className="btn" onClick={onClose}>
            {t('cancel')}
          </button>
          <button type="submit" className="btn main" disabled={name.trim() === ''}>
            {t('label.create')}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

export interface ColorChoiceProps {
  readonly label: string
  readonly color: Color | undefined
  onColor(color: Color): void
}

export const ColorChoice = ({ label, color, onColor }: ColorChoiceProps) => (
  <div className="colors" role="group" aria-label={label}>
    {COLORS.map((one) => (
      <button
        key={one}
        type="button"
        className={`swatch${colorClass(one)}`}
        aria-label={t(`color.${one}`)}
        title={t(`color.${one}`)}
        aria-pressed={one === color}
        onClick={() => onColor(one)}
      />
    ))}
  </div>
)
