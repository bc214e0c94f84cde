/**
 * Keys of the API: made, shown once, removed.
 */

import { type FormEvent, useState } from 'react'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { api } from '../api.ts'
import { moment } from '../format.ts'
import { Copy, Empty, Failed, Ghost, Head } from '../parts.tsx'
import { useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'

interface Key {
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  readonly networks: readonly string[]
  readonly created: number
  readonly expires?: number
  readonly by: string
}

const DAY_MS = 86_400_000
const wordsOf = (value: FormDataEntryValue | null): string[] =>
  String(value ?? '')
    .split(/[\s,]+/)
    .filter(Boolean)

export function Keys() {
  const { say, sure } = useShell()
  const keys = useApi<{ keys: readonly Key[] }>('/api/v1/keys')
  const [isAdding, setIsAdding] = useState(false)
  const [secret, setSecret] = useState('')
  const remove = async ({ id, name }: Key) => {
    if (
      !(await sure({
        title: t('Remove {{name}}?', { name }),
        text: t('Programs with this key are refused from now on.'),
        action: t('Remove'),
      }))
    )
      return
    try {
      await api('DELETE', `/api/v1/keys/${encodeURIComponent(id)}`)
      say(t('{{name}} is removed', { name }))
    } catch (cause) {
      say((cause as Error).message, true)
    }
    keys.reload()
  }
  const add = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const days = Number(form.get('days') ?? 0)
    try {
      const made = await api<{ secret: string }>('POST', '/api/v1/keys', {
        name: String(form.get('name')).trim(),
        roles: wordsOf(form.get('roles')),
        networks: wordsOf(form.get('networks')),
        ...(days > 0 ? { expires: Date.now() + days * DAY_MS } : {}),
      })
      setSecret(made.secret)
      setIsAdding(false)
      keys.reload()
    } catch (cause) {
      say((cause as Error).message, true)
    }
  }
  if (keys.error && !keys.data) return <Failed error={keys.error} onRetry={keys.reload} />
  if (!keys.data) return <Ghost />
  return (
    <>
      <Head title={t('API keys')} note={String(keys.data.keys.length)}>
        <a className="btn" href="/api/openapi.json">
          {t('OpenAPI')}
        </a>
        <button type="button" className="btn main" onClick={() => setIsAdding(true)}>
          <Icon name="plus" small />
          {t('Make a key')}
        </button>
      </Head>
      {secret ? (
        <p className="note warn keyshown" role="status">
          <span className="grow">
            {t('Keep it now, it is not shown again:')} <code>{secret}</code>
          </span>
          <Copy text={secret} />
        </p>
      ) : null}
      {keys.data.keys.length === 0 ? (
        <Empty
          title={t('No key yet')}
          text={t('A key lets a program use the API with the rights of a role. It is sent as Authorization: Bearer.')}
        />
      ) : (
        <div className="sec full">
          <table className="tbl">
            <thead>
              <tr>
                <th scope="col">{t('Name')}</th>
                <th scope="col">{t('Roles')}</th>
                <th scope="col" className="wide">
                  {t('From')}
                </th>
                <th scope="col" className="num">
                  {t('Ends')}
                </th>
                <th scope="col">
                  <span className="sr">{t('Change')}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {keys.data.keys.map((key) => (
                <tr key={key.id}>
                  <th scope="row">{key.name}</th>
                  <td>{key.roles.join(', ')}</td>
                  <td className="wide">{key.networks.join(', ') || t('anywhere')}</td>
                  <td className="num">{key.expires ? moment(key.expires) : t('never')}</td>
                  <td className="num">
                    <button type="button" className="btn small" onClick={() => void remove(key)}>
                      {t('Remove')}
                      <span className="sr"> {key.name}</span>
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {isAdding ? (
        <Dialog title={t('Make a key')} onClose={() => setIsAdding(false)}>
          <form className="sform" onSubmit={(event) => void add(event)}>
            <div className="field">
              <label htmlFor="key-name">{t('Name')}</label>
              <input id="key-name" name="name" required pattern="[\w.\-]{1,64}" autoComplete="off" />
            </div>
            <div className="field">
              <label htmlFor="key-roles">{t('Roles')}</label>
              <input id="key-roles" name="roles" required defaultValue="support" aria-describedby="key-roles-hint" />
              <span className="hint" id="key-roles-hint">
                {t('admin, support, domain-admin:example.org')}
              </span>
            </div>
            <div className="field">
              <label htmlFor="key-networks">{t('Only from these networks')}</label>
              <input id="key-networks" name="networks" placeholder="192.0.2.0/24" />
            </div>
            <div className="field">
              <label htmlFor="key-days">{t('Valid for days')}</label>
              <input id="key-days" name="days" type="number" min="1" placeholder={t('without end')} />
            </div>
            <footer>
              <button type="button" className="btn" onClick={() => setIsAdding(false)}>
                {t('Cancel')}
              </button>
              <button type="submit" className="btn main">
                {t('Make the key')}
              </button>
            </footer>
          </form>
        </Dialog>
      ) : null}
    </>
  )
}
