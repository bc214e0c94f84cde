/** The keys, and the switch that turns them off. */
import { useState } from 'react'
import { Dialog } from '../../app/ui/dialog.tsx'
import { t } from '../../app/ui/language.ts'
import { areKeysOn, KEY_HELP, setKeysOn } from './keys.ts'

export function KeyHelp({ onClose }: { onClose(): void }) {
  const [isOn, setIsOn] = useState(areKeysOn)
  return (
    <Dialog title={t('keys')} onClose={onClose}>
      <dl className="keys">
        {KEY_HELP.map(([keys, text]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{text === 'reply' ? `${t('reply')}, ${t('reply-all')}, ${t('forward')}` : t(text)}</dd>
          </div>
        ))}
      </dl>
      <p className="sm t3 hint">{t('search.help')}</p>
      <label className="row">
        <input
          type="checkbox"
          className="sw"
          checked={isOn}
          onChange={({ target }) => {
            setKeysOn(target.checked)
            setIsOn(target.checked)
          }}
        />
        <span>
          {t('keys.on')}
          <br />
          <span className="sm t3">{t('keys.hint')}</span>
        </span>
      </label>
      <footer>
        <button type="button" className="btn" onClick={onClose}>
          {t('close')}
        </button>
      </footer>
    </Dialog>
  )
}
