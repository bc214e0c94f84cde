/** The account's labels: names, colours, new ones. A label that goes leaves its messages as they are. */
import { type FormEvent, useState } from 'react'
import { IconButton } from '../../../app/ui/button.tsx'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { changeLabel, createLabel, removeLabel } from '../../store/label-changes.ts'
import type { Label } from '../../store/labels.ts'
import { useApplication, useStore } from '../application.ts'
import { ColorChoice, LabelDialog } from '../label-dialog.tsx'
import { Page } from './page.tsx'

export function LabelsPage() {
  const { store } = useApplication()
  useStore(store)
  const [isMaking, setIsMaking] = useState(false)
  return (
    <Page
      title={t('settings.labels')}
      end={
        <button type="button" className="btn main" onClick={() => setIsMaking(true)}>
          <Icon name="plus" small />
          {t('label.new')}
        </button>
      }
    >
      {store.labels.length === 0 ? <p className="t2">{t('label.none')}</p> : null}
      <ul className="label-list">
        {store.labels.map((label) => (
          <LabelLine key={label.id} label={label} />
        ))}
      </ul>
      {isMaking ? <LabelDialog onClose={() => setIsMaking(false)} onMade={() => undefined} /> : null}
    </Page>
  )
}

function LabelLine({ label }: { readonly label: Label }) {
  const { store, say } = useApplication()
  const [name, setName] = useState(label.name)
  const id = label.id ?? ''
  const change = async (run: () => Promise<unknown>) => {
    try {
      await run()
    } catch (cause) {
      say({ text: t('failed', { why: (cause as Error).message }), isError: true })
    }
  }
  const rename = (event?: FormEvent) => {
    event?.preventDefault()
    const wanted = name.trim()
    if (wanted === '') setName(label.name)
    else if (wanted !== label.name) void change(() => changeLabel(store, id, { name: wanted }))
  }
  const remove = () =>
    void change(async () => {
      await removeLabel(store, id)
      say({
        text: t('label.removed', { name: label.name }),
        undo: async () =>
          void (await createLabel(store, { name: label.name, keyword: label.keyword, color: label.color ?? 'green' })),
      })
    })
  return (
    <li>
      <form className="row" onSubmit={rename}>
        <span className="field grow">
          <input
            value={name}
            maxLength={100}
            aria-label={t('label.name')}
            onChange={({ target }) => setName(target.value)}
            onBlur={() => rename()}
          />
        </span>
        <ColorChoice
          label={`${t('label.color')}: ${label.name}`}
          color={label.color}
          onColor={(color) => void change(() => changeLabel(store, id, { color }))}
        />
        <IconButton icon="trash" label={t('label.remove', { name: label.name })} onClick={remove} />
      </form>
    </li>
  )
}
