/** Files that are added to a draft: each is uploaded at once, and sending waits for all of them. */
import { useCallback, useRef, useState } from 'react'
import { t } from '../../app/ui/language.ts'
import type { Attached, Draft } from '../store/compose.ts'
import { useApplication } from './application.ts'

export function useUploads(now: { readonly current: Draft }, change: (patch: Partial<Draft>) => void) {
  const { store } = useApplication()
  const [running, setRunning] = useState<readonly string[]>([])
  const [error, setError] = useState('')
  const promises = useRef(new Set<Promise<void>>())
  const add = useCallback(
    (files: readonly File[]) => {
      for (const file of files) {
        setRunning((names) => [...names, file.name])
        const upload = (async () => {
          try {
            const blobId = await store.client.upload(file)
            const type = file.type || 'application/octet-stream'
            const attached: Attached = { blobId, name: file.name, type, size: file.size }
            change({ attachments: [...now.current.attachments, attached] })
          } catch (cause) {
            setError(t('compose.upload-failed', { name: file.name, why: (cause as Error).message }))
          } finally {
            setRunning((names) => names.filter((name) => name !== file.name))
          }
        })()
        promises.current.add(upload)
        void upload.finally(() => promises.current.delete(upload))
      }
    },
    [store, change, now],
  )
  const all = useCallback(async () => void (await Promise.all(promises.current)), [])
  return { running, error, add, all }
}
