/**
 * A dialog (React Aria): the focus stays inside, Escape closes it, and the focus goes back to where it was.
 */
import type { ReactNode } from 'react'
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components'

export interface DialogProps {
  readonly title: string
  readonly className?: string
  readonly children: ReactNode
  onClose(): void
}

export const Dialog = ({ title, className = 'dialog', children, onClose }: DialogProps) => (
  <ModalOverlay className="scrim" isOpen isDismissable onOpenChange={(isOpen) => isOpen || onClose()}>
    <Modal className="modal">
      <AriaDialog className={className}>
        <Heading slot="title" level={2}>
          {title}
        </Heading>
        {children}
      </AriaDialog>
    </Modal>
  </ModalOverlay>
)
