/** Names and signatures of the addresses that the account sends from. */
import { type FormEvent, useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { textAsHtml } from '../../store/compose.ts'
import { changeIdentity } from '../../store/identity-changes.ts'
import type { Identity } from '../../store/objects.ts'
import { useApplication, useStore } from '../application.ts'
import { Page } from './page.tsx'

export function Identities() {
  const { store } = useApplication()
  useStore(store)
  return (
    <Page title={t('settings.identities')}>
      {store.identities.map((identity) => (
        <IdentityForm key={identity.id} identity={identity} />
      ))}
    </Page>
  )
}

function IdentityForm({ identity }: { readonly identity: Identity }) {
  const { store, say } = useApplication()
  const [name, setName] = useState(identity.name)
  const [signature, setSignature] = useState(identity.textSignature)
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const patch = {
      name,
      textSignature: signature,
      htmlSignature: signature.trim() === '' ? '' : textAsHtml(signature),
    }
    try {
      await changeIdentity(store, identity.id, patch)
      say({ text: t('settings.saved') })
    } catch (cause) {
      say({ text: t('failed', { why: (cause as Error).message }), isError: true })
    }
  }
  return (
    <form className="settings-form" onSubmit={(event) => void submit(event)}>
      <h2 className="b">{identity.email}</h2>
      <div className="field">
        <label htmlFor={`name-${identity.id}`}>{t('identity.name')}</label>
        <input
          id={`name-${identity.id}`}
          value={name}
          maxLength={200}
          onChange={({ target }) => setName(target.value)}
        />
      </div>
      <div className="field">
        <label htmlFor={`signature-${identity.id}`}>{t('identity.signature')}</label>
        <textarea
          id={`signature-${identity.id}`}
          value={signature}
          maxLength={10_000}
          onChange={({ target }) => setSignature(target.value)}
        />
      </div>
      <p>
        <button type="submit" className="btn main">
          {t('settings.save')}
        </button>
      </p>
    </form>
  )
}
