/**
 * Every command of every plugin, with a form made from its schema and its output as it comes.
 */

import { useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import { Failed, Ghost, Head, SearchField } from '../parts.tsx'
import { type Schema, SchemaForm, type Values } from '../schema-form.tsx'
import { hrefOf, usePlace, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import { useTask, useWork, WorkView } from '../work.tsx'

export interface CommandInfo {
  readonly words: string
  readonly summary: string
  readonly arguments: readonly string[]
  readonly options: Readonly<Record<string, string>>
  readonly reads?: boolean | 'secret'
  readonly writes?: boolean
  readonly irreversible?: boolean
  readonly input: Schema
}

export function Commands() {
  const [, words] = usePlace()
  const [search, setSearch] = useState('')
  const commands = useApi<{ commands: readonly CommandInfo[] }>('/api/v1/commands')
  if (commands.error) return <Failed error={commands.error} onRetry={commands.reload} />
  if (!commands.data) return <Ghost />
  const all = [...commands.data.commands].sort((a, b) => (a.words < b.words ? -1 : 1))
  const chosen = all.find((one) => one.words === words)
  const shown = all.filter(({ words: name, summary }) =>
    `${name} ${summary}`.toLowerCase().includes(search.trim().toLowerCase()),
  )
  return (
    <div className="fill">
      <Head title={t('Commands')} note={String(all.length)}>
        <SearchField label={t('Command')} value={search} onChange={setSearch} />
      </Head>
      <div className={chosen ? 'pp' : 'pp single'}>
        <ul className="cmds" aria-label={t('Commands')}>
          {shown.map(({ words: name, summary }) => (
            <li key={name}>
              <a href={hrefOf('commands', name)} aria-current={name === words ? 'true' : undefined}>
                <span className="b">{name}</span>
                <span className="t2">{summary}</span>
              </a>
            </li>
          ))}
          {shown.length === 0 ? <li className="t2 none">{t('No command fits.')}</li> : null}
        </ul>
        {chosen ? <CommandPanel key={chosen.words} command={chosen} /> : null}
      </div>
    </div>
  )
}

function CommandPanel({ command }: { readonly command: CommandInfo }) {
  return (
    <section className="panel wider" aria-label={command.words}>
      <header>
        <h2>{command.words}</h2>
        <p className="t2">{command.summary}</p>
      </header>
      <CommandForm command={command} />
    </section>
  )
}

/** `fixed`: values that the screen gives, whose fields are not shown. */
export function CommandForm({
  command,
  fixed = {},
  action = t('Run'),
  values,
  onEnd,
}: {
  readonly command: CommandInfo
  readonly fixed?: Values
  readonly action?: string
  readonly values?: Values
  onEnd?(): void
}) {
  const { sure, run: show } = useShell()
  const here = useWork()
  const task = useTask((id) => show({ title: command.words, task: id }))
  // A text may be thousands of lines, whose work goes on when the page is gone.
  const [isTask, setIsTask] = useState(false)
  const work = isTask ? task.work : here.work
  const [input, setInput] = useState('')
  const [file, setFile] = useState<File>()
  const { words, reads, irreversible, arguments: given } = command
  const properties = Object.fromEntries(
    Object.entries(command.input.properties ?? {}).filter(([name]) => !(name in fixed)),
  )
  const schema = { ...command.input, properties }
  const run = async (entered: Values) => {
    const all = { ...fixed, ...entered }
    if (
      irreversible &&
      !(await sure({
        title: t('Run {{words}}?', { words }),
        text: t('What it does cannot be undone.'),
        action: t('Run'),
      }))
    )
      return
    const isText = reads === true && file === undefined
    setIsTask(isText)
    const body = { words, values: all, ...(reads ? { input } : {}) }
    if (isText) {
      if (await task.start({ title: words, path: '/api/v1/commands/run', body }, onEnd)) task.end()
    } else if (file)
      await here.start(
        `/api/v1/commands/input?${new URLSearchParams({ words, values: JSON.stringify(all) })}`,
        file,
        onEnd,
      )
    else await here.start('/api/v1/commands/run', body, onEnd)
  }
  return (
    <>
      <SchemaForm
        schema={schema}
        {...(values ? { values } : {})}
        action={action}
        isBusy={work.state === 'running'}
        isDanger={irreversible === true}
        order={given.map((one) => one.replace(/[<>[\].]/g, ''))}
        onSubmit={(entered) => void run(entered)}
      >
        {reads === 'secret' ? (
          <div className="field">
            <label htmlFor="secret">{t('Password')}</label>
            <input
              id="secret"
              type="password"
              autoComplete="new-password"
              value={input}
              onChange={({ target }) => setInput(target.value)}
            />
          </div>
        ) : reads ? (
          <>
            <div className="field">
              <label htmlFor="input">{t('Text of the file')}</label>
              <textarea
                id="input"
                rows={6}
                spellCheck={false}
                value={input}
                disabled={file !== undefined}
                onChange={({ target }) => setInput(target.value)}
              />
            </div>
            <div className="field">
              <label htmlFor="file">{t('Or a file')}</label>
              <input id="file" type="file" onChange={({ target }) => setFile(target.files?.[0])} />
            </div>
          </>
        ) : null}
      </SchemaForm>
      <WorkView work={work} name={words} onCancel={isTask ? task.end : here.cancel} />
    </>
  )
}
