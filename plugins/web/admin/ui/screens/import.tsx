/**
 * Import and export of the directory's entries.
 */

import { useState } from 'react'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { t } from '../../../app/ui/language.ts'
import { Segments } from '../parts.tsx'
import { useApi } from '../use-api.ts'
import type { CommandInfo } from './commands.tsx'
import { CommandForm } from './commands.tsx'
import type { Kind } from './directory.ts'

/** A table or LDIF, with a dry run first, by the commands of the directory. */
export function Import({ kind, onClose, onEnd }: { readonly kind: Kind; onClose(): void; onEnd(): void }) {
  const commands = useApi<{ commands: readonly CommandInfo[] }>('/api/v1/commands')
  const [what, setWhat] = useState<'import' | 'export'>('import')
  const command = commands.data?.commands.find(({ words }) => words === `${kind} ${what}`)
  return (
    <Dialog title={t('Import and export')} className="dialog large" onClose={onClose}>
      <Segments
        label={t('Direction')}
        value={what}
        options={[
          ['import', t('Import')],
          ['export', t('Export')],
        ]}
        onChange={setWhat}
      />
      {command ? (
        <>
          <p className="t2">{command.summary}</p>
          <CommandForm
            key={command.words}
            command={command}
            action={what === 'import' ? t('Import') : t('Export')}
            onEnd={onEnd}
          />
        </>
      ) : null}
      <footer>
        <button type="button" className="btn" onClick={onClose}>
          {t('Close')}
        </button>
      </footer>
    </Dialog>
  )
}
