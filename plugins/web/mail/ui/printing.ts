/**
 * Prints a conversation with all its messages, or one message. The style sheet leaves out everything around them.
 */

/** Frames that are still empty are waited for. */
const READY_TIMEOUT_MS = 5000

const areFramesReady = () =>
  [...document.querySelectorAll<HTMLIFrameElement>('.way iframe.frame')].every(
    // The document of the frame is there before the message is written into it.
    ({ contentDocument }) => contentDocument && !['', 'Message'].includes(contentDocument.title),
  )

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))

/** When its messages have been opened. */
export async function printConversation(): Promise<void> {
  const end = Date.now() + READY_TIMEOUT_MS
  do await frame()
  while (!(areFramesReady() && document.querySelector('.way .text-ghost') === null) && Date.now() < end)
  print()
}

export function printMessage(id: string): void {
  const message = document.querySelector(`.way > li[data-email="${CSS.escape(id)}"]`)
  message?.parentElement?.classList.add('one')
  message?.classList.add('printed')
  print()
  message?.parentElement?.classList.remove('one')
  message?.classList.remove('printed')
}
