/**
 * Values of the API in a component: old values stay until new ones come, and an error says what failed.
 */
import { useCallback, useEffect, useState } from 'react'
import { api } from './api.ts'

export interface Loaded<T> {
  readonly data: T | undefined
  readonly error: Error | undefined
  reload(): void
}

/** `every`: ms between looks while the page is visible. An undefined path loads nothing. */
export function useApi<T>(path: string | undefined, every?: number): Loaded<T> {
  const [state, setState] = useState<{ path?: string | undefined; data?: T; error?: Error }>({})
  const [round, setRound] = useState(0)
  const reload = useCallback(() => setRound((last) => last + 1), [])
  useEffect(() => {
    if (path === undefined) return
    void round
    const gone = new AbortController()
    api<T>('GET', path, undefined, gone.signal).then(
      (data) => setState({ path, data }),
      (error: Error) => {
        if (!gone.signal.aborted) setState((last) => (last.path === path ? { ...last, error } : { path, error }))
      },
    )
    return () => gone.abort()
  }, [path, round])
  useEffect(() => {
    if (every === undefined) return
    const timer = setInterval(() => document.visibilityState === 'visible' && reload(), every)
    return () => clearInterval(timer)
  }, [every, reload])
  return { data: state.data, error: state.error, reload }
}
