/**
 * Modules of plugins: loaded from this server, mounted into an element, given one object to work with.
 *
 * Invariants: a module that fails leaves the rest of the page as it is.
 */
import { useEffect, useRef, useState } from 'react'
import { language, t } from '../../app/ui/language.ts'
import type { Draft } from '../store/compose.ts'
import type { Email } from '../store/objects.ts'
import { type Application, type PluginModule, useApplication } from './application.ts'

/** The interface for a module. */
export interface Host {
  readonly language: string
  /** JMAP method calls with the person's login; answers their responses in order. */
  call(...calls: readonly (readonly [method: string, given: object])[]): Promise<readonly object[]>
  fetch(path: string, init?: RequestInit): Promise<Response>
  say(text: string): void
  /** The open message, in the slots of a message. */
  readonly email?: Email
  /** The message to be sent, in the composer's slots. */
  readonly draft?: Draft
  /** Changes the draft, in the slot `compose.action`. */
  change?(patch: Partial<Pick<Draft, 'to' | 'cc' | 'bcc' | 'subject'>>): void
  /** Puts HTML at the cursor of the draft's text, in the slot `compose.action`, without its unsafe elements. */
  insert?(html: string): void
}

type Extra = Pick<Host, 'email' | 'draft' | 'change' | 'insert'>

interface Loaded {
  mount?(element: HTMLElement, host: Host): (() => void) | undefined
  run?(host: Host): Promise<void> | void
  check?(host: Host): Promise<string | undefined> | string | undefined
}

export const hostOf = ({ store, say }: Application, more: Extra = {}): Host => ({
  language: language(),
  call: (...calls) => store.client.call(...calls),
  fetch: (path, init) => fetch(new URL(path, location.origin).pathname, init),
  say: (text) => say({ text }),
  ...more,
})

/** Once for a page; without them when the server is away. */
export async function loadModules(): Promise<readonly PluginModule[]> {
  const response = await fetch('/mail/api/modules').catch(() => undefined)
  if (!response?.ok) return []
  const { modules } = (await response.json()) as {
    modules: (Omit<PluginModule, 'label'> & { title: Record<string, string> })[]
  }
  return modules.map(({ title, ...module }) => ({ ...module, label: title[language()] ?? title.en ?? module.name }))
}

export function useModules(slot: string): readonly PluginModule[] {
  const app = useApplication()
  const [modules, setModules] = useState<readonly PluginModule[]>([])
  useEffect(() => {
    let isGone = false
    void app.modules.then((all) => isGone || setModules(all.filter((module) => module.slot === slot)))
    return () => {
      isGone = true
    }
  }, [app, slot])
  return modules
}

export const loadModule = (module: PluginModule): Promise<Loaded> => import(/* @vite-ignore */ module.url)

/** Runs an action; a failure is shown. */
export async function runModule(app: Application, module: PluginModule, more: Extra): Promise<void> {
  try {
    await (await loadModule(module)).run?.(hostOf(app, more))
  } catch (cause) {
    app.say({ text: t('module.failed', { name: module.label, why: (cause as Error).message }), isError: true })
  }
}

export function ModuleHost({ module, email }: { readonly module: PluginModule; readonly email?: Email }) {
  const app = useApplication()
  const place = useRef<HTMLDivElement>(null)
  const [error, setError] = useState('')
  useEffect(() => {
    let unmount: (() => void) | undefined
    let isGone = false
    loadModule(module).then(
      ({ mount }) => {
        if (!isGone && place.current) unmount = mount?.(place.current, hostOf(app, email ? { email } : {}))
      },
      (cause: Error) => setError(cause.message),
    )
    return () => {
      isGone = true
      unmount?.()
    }
  }, [module, email, app])
  return (
    <div className="plugin">
      {error ? <p role="alert">{t('module.failed', { name: module.label, why: error })}</p> : null}
      <div ref={place} />
    </div>
  )
}
