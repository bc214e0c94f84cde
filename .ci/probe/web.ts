/**
 * The probe in the web mail: a browser loads the built file from the server. Without imports, and without types of the
 * browser, which a server's type check does not have.
 */
interface Host {
  readonly email?: { readonly subject: string }
  readonly draft?: { readonly subject: string }
  change?(patch: { readonly subject: string }): void
  say(text: string): void
}

export function mount(element: { textContent: string | null }, { email }: Host): () => void {
  element.textContent = `The probe sees ${email?.subject}`
  return () => {
    element.textContent = ''
  }
}

export function run({ draft, change }: Host): void {
  change?.({ subject: `${draft?.subject} (probed)` })
}
