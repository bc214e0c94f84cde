/**
 * A page of a plugin: a table, a form or figures drawn by the kit from its schemas, or a module of the plugin.
 */
import { useEffect, useRef, useState } from 'react'
import { isDark } from '../../../app/ui/appearance.ts'
import { language, t } from '../../../app/ui/language.ts'
import { api } from '../api.ts'
import { Chart } from '../chart.tsx'
import { count } from '../format.ts'
import { Empty, Failed, Ghost, Head } from '../parts.tsx'
import type { Page } from '../places.ts'
import { SchemaForm, type Values } from '../schema-form.tsx'
import { usePlace, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import { TablePage } from './table-page.tsx'

export function PluginPageScreen() {
  const [, id = ''] = usePlace()
  const pages = useApi<{ pages: readonly Page[] }>('/api/v1/pages')
  if (pages.error) return <Failed error={pages.error} onRetry={pages.reload} />
  if (!pages.data) return <Ghost />
  const page = pages.data.pages.find((one) => one.id === id)
  if (!page)
    return (
      <Empty
        title={t('There is no such page')}
        text={t('Its plugin does not run, or your role does not include it.')}
      />
    )
  return (
    <>
      <Head title={page.title} />
      <PageContent key={id} page={page} />
    </>
  )
}

export const PageContent = ({ page }: { readonly page: Page }) => (
  <>
    {page.summary ? <p className="t2 summary">{page.summary}</p> : null}
    {page.kind === 'table' ? <TablePage page={page} /> : null}
    {page.kind === 'form' ? <FormPage page={page} /> : null}
    {page.kind === 'figures' ? <FiguresPage page={page} /> : null}
    {page.kind === 'module' ? <ModulePage page={page} /> : null}
  </>
)

function FormPage({ page }: { readonly page: Page }) {
  const { say } = useShell()
  const path = `/api/v1/pages/${page.id}/form`
  const form = useApi<{ value: Values }>(path)
  const [error, setError] = useState<string>()
  if (form.error) return <Failed error={form.error} onRetry={form.reload} />
  if (!form.data || !page.schema) return <Ghost />
  const save = async (value: Values) => {
    try {
      await api('PUT', path, { value })
      setError(undefined)
      say(t('Saved'))
      form.reload()
    } catch (cause) {
      setError((cause as Error).message)
    }
  }
  return (
    <div className="sec">
      <SchemaForm
        schema={page.schema}
        values={form.data.value}
        action={t('Save')}
        error={error}
        onSubmit={(value) => void save(value)}
      />
    </div>
  )
}

interface Figures {
  readonly figures: readonly {
    readonly title: string
    readonly unit?: string
    readonly series: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[]
  }[]
}
const KINDS = ['in', 'out', 'ref'] as const

function FiguresPage({ page }: { readonly page: Page }) {
  const figures = useApi<Figures>(`/api/v1/pages/${page.id}/figures`, 60_000)
  if (figures.error) return <Failed error={figures.error} onRetry={figures.reload} />
  if (!figures.data) return <Ghost />
  return (
    <div className="sec full">
      {figures.data.figures.map(({ title, unit = '', series }) => (
        <section key={title} aria-label={title}>
          <h2>{title}</h2>
          <div className="flow">
            <Chart
              label={title}
              times={series[0]?.points.map(([at]) => at) ?? []}
              series={series.map(({ name, points }, index) => ({
                name,
                line: KINDS[index % KINDS.length] as (typeof KINDS)[number],
                values: points.map(([, value]) => value),
              }))}
            />
            <table className="tbl fig">
              <tbody>
                {series.map(({ name, points }, index) => (
                  <tr key={name}>
                    <th scope="row">
                      <i className={`key ${KINDS[index % KINDS.length]}`} aria-hidden="true" />
                      {name}
                    </th>
                    <td className="num">
                      {count(points.at(-1)?.[1] ?? 0)} {unit}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ))}
    </div>
  )
}

interface Module {
  mount(element: HTMLElement, host: object): (() => void) | undefined
}

function ModulePage({ page }: { readonly page: Page }) {
  const { say, sure } = useShell()
  const box = useRef<HTMLDivElement>(null)
  const [error, setError] = useState<Error>()
  useEffect(() => {
    let unmount: (() => void) | undefined
    let isGone = false
    const host = {
      language: language(),
      theme: isDark() ? 'dark' : 'light',
      fetch: (path: string, init?: RequestInit) => fetch(path, init),
      say: (text: string) => say(text),
      confirm: (text: string) => sure({ title: page.title, text, action: t('Go on') }),
      navigate: (hash: string) => {
        location.hash = hash
      },
    }
    const mount = async () => {
      const { url } = await api<{ url: string }>('GET', `/api/v1/pages/${page.id}/module`)
      const module = (await import(/* @vite-ignore */ url)) as Module
      if (!isGone && box.current) unmount = module.mount(box.current, host)
    }
    mount().catch((cause: Error) => setError(cause))
    return () => {
      isGone = true
      unmount?.()
    }
  }, [page.id, page.title, say, sure])
  return error ? <Failed error={error} /> : <div ref={box} className="sec full" />
}
