/** The menu of labels of conversations, and the dialog that makes one. The key l opens it. */
import { useState } from 'react'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { MenuButton, type MenuEntry } from '../../app/ui/menu.tsx'
import { labelsOf } from '../store/labels.ts'
import type { Acts } from './acts.ts'
import { useApplication } from './application.ts'
import { LabelDialog } from './label-dialog.tsx'
import { colorClass, labelName } from './labels.tsx'

export interface LabelMenuProps {
  readonly threadIds: readonly string[]
  readonly acts: Acts
}

export function LabelMenu({ threadIds, acts }: LabelMenuProps) {
  const { store } = useApplication()
  const [isMaking, setIsMaking] = useState(false)
  const others = labelsOf(
    store.labels,
    threadIds.flatMap((id) => store.emailsOf(id)),
  ).filter(({ id }) => id === undefined)
  const entries: MenuEntry[] = [
    ...[...store.labels, ...others].map((label) => {
      const has = threadIds.every((id) => store.emailsOf(id).some(({ keywords }) => keywords[label.keyword]))
      return {
        id: label.keyword,
        label: labelName(label),
        dot: colorClass(label.color),
        checked: has,
        run: () => acts.label(threadIds, label, !has),
      }
    }),
    { id: '(new)', label: t('label.new'), icon: 'plus', isFirstOfGroup: true, run: () => setIsMaking(true) },
    {
      id: '(manage)',
      label: t('label.manage'),
      icon: 'sliders',
      run: () => {
        location.hash = '#/settings/labels'
      },
    },
  ]
  return (
    <>
      <MenuButton label={t('label')} className="ib label-menu" entries={entries}>
        <Icon name="tag" />
      </MenuButton>
      {isMaking ? (
        <LabelDialog onClose={() => setIsMaking(false)} onMade={(label) => acts.label(threadIds, label, true)} />
      ) : null}
    </>
  )
}
