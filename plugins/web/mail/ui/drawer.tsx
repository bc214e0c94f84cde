/** The mailboxes on a narrow screen: they slide over the page from its start. */
import { Dialog as AriaDialog, Modal, ModalOverlay } from 'react-aria-components'
import { t } from '../../app/ui/language.ts'
import type { ListKey } from '../store/list.ts'
import { Tree } from './tree.tsx'

export const Drawer = ({ current, onClose }: { readonly current: ListKey; onClose(): void }) => (
  <ModalOverlay className="scrim drawer-scrim" isOpen isDismissable onOpenChange={(isOpen) => isOpen || onClose()}>
    <Modal className="drawer">
      <AriaDialog aria-label={t('mailboxes')} className="drawer-dialog">
        <Tree current={current} onGo={onClose} />
      </AriaDialog>
    </Modal>
  </ModalOverlay>
)
